#include "calibration/allan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>
#include <deque>
#include <limits>
#include <set>
#include <tuple>

#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Sum with compensation (Neumaier): phases of a clock span many decades.
class Sum {
 public:
  void add(double x) {
    const double t = sum_ + x;
    rest_ += std::abs(sum_) >= std::abs(x) ? (sum_ - t) + x : (x - t) + sum_;
    sum_ = t;
  }
  double value() const { return sum_ + rest_; }

 private:
  double sum_ = 0, rest_ = 0;
};

double square(double x) {
  return x * x;
}

struct Mean {
  double value = 0;
  std::size_t terms = 0;
};

template <class Term>
Mean mean_square(std::size_t first, std::size_t end, std::size_t step, Term term) {
  Sum sum;
  std::size_t n = 0;
  for (std::size_t k = first; k < end; k += step, ++n) sum.add(square(term(k)));
  return {n > 0 ? sum.value() / static_cast<double>(n) : nan, n};
}

Mean modified_mean(std::span<const double> x, std::size_t m) {
  // The inner sum moves on by one sample: sum_(j+1) = sum_j + d_(j+m) - d_j.
  const std::size_t last = x.size() - 3 * m;
  Sum total;
  double inner = 0;
  const auto second = [&](std::size_t i) { return x[i + 2 * m] - 2 * x[i + m] + x[i]; };
  for (std::size_t i = 0; i < m; ++i) inner += second(i);
  for (std::size_t j = 0;; ++j) {
    total.add(square(inner / static_cast<double>(m)));
    if (j == last) break;
    inner += second(j + m) - second(j);
  }
  return {total.value() / static_cast<double>(last + 1), last + 1};
}

Mean total_mean(std::span<const double> x, std::size_t m) {
  const auto n = static_cast<std::ptrdiff_t>(x.size());
  const auto extended = [&](std::ptrdiff_t i) {
    if (i < 0) return 2 * x[0] - x[static_cast<std::size_t>(-i)];
    if (i >= n) return 2 * x[x.size() - 1] - x[static_cast<std::size_t>(2 * (n - 1) - i)];
    return x[static_cast<std::size_t>(i)];
  };
  const auto step = static_cast<std::ptrdiff_t>(m);
  return mean_square(1, x.size() - 1, 1, [&](std::size_t k) {
    const auto i = static_cast<std::ptrdiff_t>(k);
    return extended(i - step) - 2 * x[k] + extended(i + step);
  });
}

Mean theo1_mean(std::span<const double> x, std::size_t m) {
  const std::size_t half = m / 2;
  Sum sum;
  for (std::size_t i = 0; i + m < x.size(); ++i) {
    for (std::size_t delta = 0; delta < half; ++delta) {
      const double difference = (x[i] - x[i - delta + half]) + (x[i + m] - x[i + delta + half]);
      sum.add(square(difference) / static_cast<double>(half - delta));
    }
  }
  const std::size_t terms = x.size() - m;
  return {sum.value() / static_cast<double>(terms), terms * half};
}

double greatest_interval(std::span<const double> x, std::size_t m) {
  // Greatest and least of the last m + 1 samples, each in a queue of candidates.
  std::deque<std::size_t> high, low;
  double greatest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    while (!high.empty() && x[high.back()] <= x[i]) high.pop_back();
    while (!low.empty() && x[low.back()] >= x[i]) low.pop_back();
    high.push_back(i);
    low.push_back(i);
    if (high.front() + m < i) high.pop_front();
    if (low.front() + m < i) low.pop_front();
    if (i >= m) greatest = std::max(greatest, x[high.front()] - x[low.front()]);
  }
  return greatest;
}

// Generalised autocovariances of Greenhall and Riley.
double s_w(double t, int alpha) {
  const double a = std::abs(t);
  const double log_t = a > 0 ? std::log(a) : 0;
  switch (alpha) {
    case 2:
      return -a;
    case 1:
      return t * t * log_t;
    case 0:
      return a * a * a;
    case -1:
      return -t * t * t * t * log_t;
    case -2:
      return -std::pow(a, 5);
    case -3:
      return std::pow(t, 6) * log_t;
    case -4:
      return std::pow(a, 7);
    default:
      return nan;
  }
}

double s_x(double t, double f, int alpha) {
  // Without averaging of the phase (f = m large) the differences are those of a derivative, which
  // is the next power law.
  if (f > 1000) return s_w(t, alpha + 2);
  return f * f * (2 * s_w(t, alpha) - s_w(t - 1 / f, alpha) - s_w(t + 1 / f, alpha));
}

double s_z(double t, double f, int alpha, int d) {
  const auto s = [&](double shift) { return s_x(t + shift, f, alpha); };
  if (d == 1) return 2 * s(0) - s(-1) - s(1);
  if (d == 2) return 6 * s(0) - 4 * (s(-1) + s(1)) + s(-2) + s(2);
  return 20 * s(0) - 15 * (s(-1) + s(1)) + 6 * (s(-2) + s(2)) - s(-3) - s(3);
}

int difference_order(Stability kind) {
  return kind == Stability::hdev || kind == Stability::ohdev ? 3 : 2;
}

}  // namespace

const std::vector<std::string>& stability_names() {
  static const std::vector<std::string> names = {"adev",  "oadev",  "mdev",  "tdev", "hdev",
                                                 "ohdev", "totdev", "theo1", "mtie", "tierms"};
  return names;
}

std::optional<Stability> stability_of_name(const std::string& name) {
  const auto& names = stability_names();
  const auto at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) return std::nullopt;
  return static_cast<Stability>(at - names.begin());
}

std::optional<StabilityPoint> stability(Stability kind, std::span<const double> x, double tau0_s,
                                        std::size_t m) {
  const std::size_t n = x.size();
  if (m < 1) return std::nullopt;
  StabilityPoint point;
  point.m = m;
  point.tau_s = static_cast<double>(m) * tau0_s;
  point.edf = point.lower = point.upper = nan;
  const double tau = point.tau_s;
  const auto second = [&](std::size_t k) { return x[k + 2 * m] - 2 * x[k + m] + x[k]; };
  const auto third = [&](std::size_t k) {
    return x[k + 3 * m] - 3 * x[k + 2 * m] + 3 * x[k + m] - x[k];
  };
  Mean mean;
  switch (kind) {
    case Stability::adev:
    case Stability::oadev:
      if (n < 2 * m + 1) return std::nullopt;
      mean = mean_square(0, n - 2 * m, kind == Stability::adev ? m : 1, second);
      point.deviation = std::sqrt(mean.value / 2) / tau;
      break;
    case Stability::mdev:
    case Stability::tdev:
      if (n < 3 * m) return std::nullopt;
      mean = modified_mean(x, m);
      point.deviation = std::sqrt(mean.value / 2) / tau;
      if (kind == Stability::tdev) point.deviation *= tau / std::sqrt(3.0);
      break;
    case Stability::hdev:
    case Stability::ohdev:
      if (n < 3 * m + 1) return std::nullopt;
      mean = mean_square(0, n - 3 * m, kind == Stability::hdev ? m : 1, third);
      point.deviation = std::sqrt(mean.value / 6) / tau;
      break;
    case Stability::totdev:
      if (n < 3 || m > n - 2) return std::nullopt;
      mean = total_mean(x, m);
      point.deviation = std::sqrt(mean.value / 2) / tau;
      break;
    case Stability::theo1:
      if (m % 2 != 0 || n < m + 1) return std::nullopt;
      mean = theo1_mean(x, m);
      point.deviation = std::sqrt(mean.value / 0.75) / tau;
      point.tau_s = 0.75 * tau;
      break;
    case Stability::mtie:
      if (n < m + 1) return std::nullopt;
      mean.terms = n - m;
      point.deviation = greatest_interval(x, m);
      break;
    case Stability::tierms:
      if (n < m + 1) return std::nullopt;
      mean = mean_square(0, n - m, 1, [&](std::size_t k) { return x[k + m] - x[k]; });
      point.deviation = std::sqrt(mean.value);
      break;
  }
  point.terms = mean.terms;
  return point;
}

std::vector<double> phase_from_frequency(std::span<const double> y, double tau0_s) {
  std::vector<double> x(y.size() + 1, 0.0);
  Sum sum;
  for (std::size_t k = 0; k < y.size(); ++k) {
    sum.add(y[k] * tau0_s);
    x[k + 1] = sum.value();
  }
  return x;
}

std::optional<int> noise_power_law(std::span<const double> x, std::size_t m,
                                   int greatest_difference) {
  std::vector<double> z;
  for (std::size_t k = 0; k < x.size(); k += m) z.push_back(x[k]);
  if (z.size() < 30) return std::nullopt;
  for (int d = 0;; ++d) {
    const auto n = static_cast<double>(z.size());
    Sum total;
    for (const double value : z) total.add(value);
    const double mean = total.value() / n;
    Sum zero, one;
    for (std::size_t k = 0; k < z.size(); ++k) {
      zero.add(square(z[k] - mean));
      if (k + 1 < z.size()) one.add((z[k] - mean) * (z[k + 1] - mean));
    }
    if (!(zero.value() > 0)) return std::nullopt;
    const double r = one.value() / zero.value();
    const double delta = r / (1 + r);
    if (delta < 0.25 || d >= greatest_difference) {
      // Phase of S_x ~ f^p, S_y ~ f^(p + 2).
      return std::clamp(static_cast<int>(std::lround(-2 * (delta + d))) + 2, -4, 2);
    }
    for (std::size_t k = 0; k + 1 < z.size(); ++k) z[k] = z[k + 1] - z[k];
    z.pop_back();
  }
}

double stability_edf(int alpha, int d, std::size_t m, bool modified, bool overlapping,
                     std::size_t points) {
  if (alpha + 2 * d <= 1 || alpha > 2 || alpha < -4) return nan;
  const double averaging = static_cast<double>(m);
  const double f = modified ? 1 : averaging;
  // s_x of a large filter factor is that of the next power law, which -3 and -4 do not have.
  if (f > 1000 && alpha > 0) return nan;
  const double s = overlapping ? averaging : 1;
  const double length = averaging / f + averaging * d;
  if (static_cast<double>(points) < length) return nan;
  const double count = 1 + std::floor(s * (static_cast<double>(points) - length) / averaging);
  const double terms = std::min(count, (d + 1) * s);
  const double zero = square(s_z(0, f, alpha, d));
  Sum sum;
  sum.add(zero);
  for (double j = 1; j < terms; ++j) {
    sum.add(2 * (1 - j / count) * square(s_z(j / s, f, alpha, d)));
  }
  sum.add((1 - terms / count) * square(s_z(terms / s, f, alpha, d)));
  const double edf = zero * count / sum.value();
  return std::isfinite(edf) && edf > 0 ? edf : nan;
}

std::pair<double, double> stability_interval(const StabilityPoint& point, double confidence) {
  if (!(point.edf > 0)) return {nan, nan};
  const boost::math::chi_squared law(point.edf);
  const double tail = (1 - confidence) / 2;
  return {point.deviation * std::sqrt(point.edf / quantile(complement(law, tail))),
          point.deviation * std::sqrt(point.edf / quantile(law, tail))};
}

std::vector<StabilityPoint> stability_curve(Stability kind, std::span<const double> x,
                                            double tau0_s, const StabilityOptions& options) {
  if (x.size() < 4) {
    throw RunError(
        fmt::format("stability: {} phase points (at least four are needed). Give a longer "
                    "record.",
                    x.size()));
  }
  if (!(tau0_s > 0) || !std::isfinite(tau0_s)) {
    throw RunError(
        fmt::format("stability: a sample interval of {} s (averaging times are multiples "
                    "of it). Give one above zero.",
                    tau0_s));
  }
  std::set<std::size_t> factors;
  const std::size_t most = x.size();
  if (options.taus == "octave") {
    for (std::size_t m = 1; m < most; m *= 2) factors.insert(m);
  } else if (options.taus == "decade") {
    for (std::size_t decade = 1; decade < most; decade *= 10) {
      for (const std::size_t step : {1, 2, 4}) factors.insert(step * decade);
    }
  } else if (options.taus == "all") {
    for (std::size_t m = 1; m < most; ++m) factors.insert(m);
  } else {
    throw ConfigError(fmt::format(
        "--taus: \"{}\" is none of octave, decade, all. Write one of them.", options.taus));
  }
  std::vector<StabilityPoint> curve;
  std::optional<int> alpha;
  for (const std::size_t m : factors) {
    auto point = stability(kind, x, tau0_s, m);
    if (!point) continue;
    const int d = difference_order(kind);
    // Too few averages to identify anew: the law of the time before goes on.
    if (const auto identified = noise_power_law(x, m, d)) alpha = identified;
    point->alpha = std::clamp(alpha.value_or(0), d == 3 ? -4 : -2, 2);
    const bool has_edf =
        kind != Stability::theo1 && kind != Stability::mtie && kind != Stability::tierms;
    if (has_edf && point->terms > 0) {
      const bool modified = kind == Stability::mdev || kind == Stability::tdev;
      const bool overlapping = kind != Stability::adev && kind != Stability::hdev;
      point->edf = stability_edf(point->alpha, d, m, modified, overlapping, x.size());
      if (point->edf > 0) {
        std::tie(point->lower, point->upper) = stability_interval(*point, options.confidence);
      }
    }
    curve.push_back(*point);
  }
  return curve;
}

}  // namespace attojoule::calibration
