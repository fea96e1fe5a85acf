#include "network/certificate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>

#include "photonics/error.hpp"

namespace attojoule::network {
namespace {

constexpr double normal_quantile_95 = 1.6448536269514722;
constexpr double infinite = std::numeric_limits<double>::infinity();

// Tango's score statistic of the hypothesis "lost rate - gained rate = delta", in standard errors.
double score(double lost, double gained, double images, double delta, double correction) {
  const double difference = lost - gained - images * delta;
  const double shrunk = std::copysign(std::max(std::abs(difference) - correction, 0.0), difference);
  // Maximum likelihood of the gained rate under the hypothesis.
  const double a = 2 * images;
  const double b = -lost - gained + (2 * images - lost + gained) * delta;
  const double c = -gained * delta * (1 - delta);
  const double rate = std::max((std::sqrt(std::max(b * b - 4 * a * c, 0.0)) - b) / (2 * a), 0.0);
  const double variance = images * (2 * rate + delta * (1 - delta));
  if (!(variance > 0)) return shrunk == 0 ? 0 : std::copysign(infinite, shrunk);
  return shrunk / std::sqrt(variance);
}

struct Moments {
  double mean = 0;
  double variance = 0;  // of single values, unbiased
};

Moments moments(std::span<const double> values) {
  Moments m;
  for (const double value : values) m.mean += value / static_cast<double>(values.size());
  if (values.size() > 1) {
    for (const double value : values) m.variance += (value - m.mean) * (value - m.mean);
    m.variance /= static_cast<double>(values.size() - 1);
  }
  return m;
}

// What varies: between images, between passes, and what is left of single draws.
struct Components {
  double by_image = 0;  // variance of the images' means D_i
  double by_seed = 0;   // variance of the passes' means
  double residual = 0;  // of a single result around both
};

Components components(const PairedResults& results, std::span<const double> image_means,
                      double mean) {
  const std::size_t seeds = results.noisy.size();
  const std::size_t images = results.clean.size();
  Components found;
  found.by_image = moments(image_means).variance;
  std::vector<double> pass_means;
  for (const auto& pass : results.noisy) {
    double sum = 0;
    for (std::size_t i = 0; i < images; ++i) sum += results.clean[i] - pass[i];
    pass_means.push_back(sum / static_cast<double>(images));
  }
  found.by_seed = moments(pass_means).variance;
  if (seeds > 1 && images > 1) {
    double sum = 0;
    for (std::size_t s = 0; s < seeds; ++s) {
      for (std::size_t i = 0; i < images; ++i) {
        const double rest =
            results.clean[i] - results.noisy[s][i] - image_means[i] - pass_means[s] + mean;
        sum += rest * rest;
      }
    }
    found.residual = sum / static_cast<double>((seeds - 1) * (images - 1));
  }
  return found;
}

// More images or more seeds until `needed` standard errors fit between estimate and target.
void plan_more(Certificate& certificate, const Components& parts, bool shared) {
  const double distance = std::abs(certificate.target - certificate.degradation);
  const double images = static_cast<double>(certificate.images);
  const double seeds = certificate.seeds;
  // The bound is not symmetric: its own distance says how many standard errors it takes.
  const double reach = certificate.degradation <= certificate.target
                           ? certificate.upper95 - certificate.degradation
                           : certificate.degradation - certificate.lower95;
  const double allowed =
      reach > 0 ? certificate.standard_error * distance / reach : certificate.standard_error;
  const double variance = allowed * allowed;  // that the mean may have
  // Variances of the population: images, passes, single draws.
  const double draw = parts.residual;
  const double image = std::max(parts.by_image - draw / seeds, 0.0);
  const double pass = shared ? std::max(parts.by_seed - draw / images, 0.0) : 0.0;
  const double for_images = variance - pass / seeds;
  certificate.images_needed =
      for_images > 0 ? std::ceil(std::max((image + draw / seeds) / for_images, images + 1))
                     : infinite;
  const double for_seeds = variance - image / images;
  certificate.seeds_needed =
      for_seeds > 0 && draw + pass > 0
          ? std::ceil(std::max((pass + draw / images) / for_seeds, seeds + 1))
          : infinite;
}

}  // namespace

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::holds:
      return "holds";
    case Verdict::fails:
      return "fails";
    case Verdict::undecided:
      return "undecided";
  }
  return "unknown";
}

double paired_score_bound(double lost, double gained, double images, double correction,
                          bool upper) {
  // The statistic falls with delta: bisection between the estimate and the end of the scale.
  const double estimate = (lost - gained) / images;
  const double wanted = upper ? -normal_quantile_95 : normal_quantile_95;
  double inside = estimate;
  double outside = upper ? 1.0 : -1.0;
  const auto excluded = [&](double delta) {
    const double value = score(lost, gained, images, delta, correction);
    return upper ? value <= wanted : value >= wanted;
  };
  if (!excluded(outside)) return outside;
  constexpr int halvings = 60;
  for (int i = 0; i < halvings; ++i) {
    const double middle = (inside + outside) / 2;
    (excluded(middle) ? outside : inside) = middle;
  }
  return outside;
}

Certificate certify(const PairedResults& results, double target) {
  const std::size_t count = results.clean.size();
  const std::size_t passes = results.noisy.size();
  if (count == 0 || passes == 0 || (results.noise_shared_by_pass && passes < 2)) {
    throw ConfigError(
        fmt::format("certificate: {} images and {} noise seeds ({}). Give more.", count, passes,
                    results.noise_shared_by_pass
                        ? "noise that all images of a pass share is bounded over passes only, two "
                          "or more"
                        : "there is nothing to bound"));
  }
  const auto images = static_cast<double>(count);
  const auto seeds = static_cast<double>(passes);
  Certificate certificate;
  certificate.target = target;
  certificate.images = static_cast<std::int64_t>(count);
  certificate.seeds = static_cast<int>(passes);
  std::vector<double> image_means(count);
  double changed_images = 0;
  double squares = 0;  // of single differences
  for (std::size_t i = 0; i < count; ++i) {
    bool changed = false;
    for (const auto& pass : results.noisy) {
      const double difference = results.clean[i] - pass[i];
      image_means[i] += difference / seeds;
      squares += difference * difference;
      certificate.lost += std::max(difference, 0.0) / seeds;
      certificate.gained += std::max(-difference, 0.0) / seeds;
      changed = changed || difference != 0;
    }
    changed_images += changed ? 1 : 0;
  }
  const double mean = moments(image_means).mean;
  certificate.degradation = mean;
  const Components parts = components(results, image_means, mean);

  if (results.noise_shared_by_pass) {
    const double by_image = parts.by_image / images;
    const double by_seed = parts.by_seed / seeds;
    const double variance =
        std::max({by_image + by_seed - parts.residual / (images * seeds), by_image, by_seed});
    certificate.standard_error = std::sqrt(variance);
  } else {
    certificate.standard_error = std::sqrt(parts.by_image / images);
  }
  if (results.binary && !results.noise_shared_by_pass) {
    double effective = images;
    constexpr double enough_changes = 10;
    if (changed_images >= enough_changes && parts.by_image > 0) {
      const double single = squares / (images * seeds) - mean * mean;
      effective = images * std::clamp(single / parts.by_image, 1.0, seeds);
    }
    const double scale = effective / images;
    constexpr double half_a_count = 0.5;
    certificate.upper95 = paired_score_bound(certificate.lost * scale, certificate.gained * scale,
                                             effective, half_a_count, true);
    certificate.lower95 = paired_score_bound(certificate.lost * scale, certificate.gained * scale,
                                             effective, half_a_count, false);
  } else {
    const double freedom = (results.noise_shared_by_pass ? seeds : std::max(images, 2.0)) - 1;
    const boost::math::students_t student(freedom);
    double error = certificate.standard_error;
    if (results.binary) {
      // Few changed results: what Tango's interval would allow for images and noise of one pass.
      const double upper =
          paired_score_bound(certificate.lost, certificate.gained, images, 0.5, true);
      error = std::max(error, (upper - mean) / normal_quantile_95 / std::sqrt(seeds));
    }
    const double reach = boost::math::quantile(student, 0.95) * error;
    certificate.upper95 = mean + reach;
    certificate.lower95 = mean - reach;
  }
  certificate.verdict = certificate.upper95 <= target  ? Verdict::holds
                        : certificate.lower95 > target ? Verdict::fails
                                                       : Verdict::undecided;
  if (certificate.verdict == Verdict::undecided) {
    plan_more(certificate, parts, results.noise_shared_by_pass);
  }
  return certificate;
}

}  // namespace attojoule::network
