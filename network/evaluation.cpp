#include "network/evaluation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <mutex>

#include "network/parallel.hpp"
#include "photonics/error.hpp"

namespace attojoule::network {
namespace {

constexpr double normal_quantile_975 = 1.959963984540054;

void add(ProductRecord& total, const ProductRecord& one, bool first) {
  total.photons += one.photons;
  total.signal += one.signal;
  total.variance += one.variance;
  total.photons_detected += one.photons_detected;
  total.transmission += one.transmission;
  total.operands += one.operands;
  total.saturated += one.saturated;
  total.output_low = first ? one.output_low : std::min(total.output_low, one.output_low);
  total.output_high = first ? one.output_high : std::max(total.output_high, one.output_high);
  total.input_low = first ? one.input_low : std::min(total.input_low, one.input_low);
  total.input_high = first ? one.input_high : std::max(total.input_high, one.input_high);
  total.weight_absolute_maximum =
      std::max(total.weight_absolute_maximum, one.weight_absolute_maximum);
}

double cross_entropy(std::span<const float> logits, int label) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float value : logits) sum += std::exp(static_cast<double>(value) - largest);
  return largest + std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(label)]);
}

}  // namespace

double PassResult::accuracy() const {
  double sum = 0;
  for (const auto hit : correct) sum += hit;
  return correct.empty() ? 0.0 : sum / static_cast<double>(correct.size());
}

Evaluator::Evaluator(Program& program, SampleSource source, int threads)
    : program_(program), source_(std::move(source)), threads_(std::max(threads, 1)) {
  for (int i = 0; i < threads_; ++i) lanes_.push_back(program_.make_lane());
}

PassResult Evaluator::run(const PassRequest& request, const Progress& progress) {
  if (request.images < 1 || request.first < 0 || request.images > source_.size - request.first) {
    throw ConfigError(
        fmt::format("evaluation.images: {} of a data set of {} samples. Ask for 1 to "
                    "{}.",
                    request.images, source_.size, source_.size));
  }
  const auto outputs = static_cast<std::size_t>(program_.output_size());
  const std::size_t products = program_.products().size();
  PassResult result;
  result.correct.resize(static_cast<std::size_t>(request.images));
  if (request.keep_logits) result.logits.resize(result.correct.size() * outputs);
  if (request.keep_losses) result.losses.resize(result.correct.size());
  const bool recording = request.noisy || request.statistics;
  if (recording) result.totals.resize(products);
  const Program::PassSettings settings{request.noisy, request.statistics, request.seed};

  // Records are summed block by block in the order of samples, so that rounding does not depend on
  // threads, and memory not on the number of images.
  constexpr std::int64_t block = 512;
  std::vector<ProductRecord> records;
  std::mutex progress_mutex;
  for (std::int64_t first = 0; first < request.images; first += block) {
    const std::int64_t count = std::min(block, request.images - first);
    if (recording) records.assign(static_cast<std::size_t>(count) * products, ProductRecord{});
    std::int64_t done = 0;
    parallel_for(count, threads_, [&](std::int64_t i, int worker) {
      Program::Lane& lane = lanes_[static_cast<std::size_t>(worker)];
      const std::int64_t sample = first + i;
      const std::int64_t in_source = request.first + sample;
      source_.load(in_source, lane);
      const auto own =
          recording ? std::span(records).subspan(static_cast<std::size_t>(i) * products, products)
                    : std::span<ProductRecord>();
      const auto logits = program_.run(lane, static_cast<std::uint32_t>(in_source), settings, own);
      const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
      result.correct[static_cast<std::size_t>(sample)] = best == source_.label(in_source) ? 1 : 0;
      if (request.keep_losses) {
        result.losses[static_cast<std::size_t>(sample)] =
            cross_entropy(logits, source_.label(in_source));
      }
      if (request.keep_logits) {
        std::copy(logits.begin(), logits.end(),
                  result.logits.begin() +
                      static_cast<std::ptrdiff_t>(sample) * static_cast<std::ptrdiff_t>(outputs));
      }
      if (progress) {
        const std::lock_guard lock(progress_mutex);
        progress(first + ++done);
      }
    });
    for (std::int64_t i = 0; recording && i < count; ++i) {
      for (std::size_t k = 0; k < products; ++k) {
        add(result.totals[k], records[static_cast<std::size_t>(i) * products + k], first + i == 0);
      }
    }
  }
  return result;
}

AccuracyEstimate estimate_accuracy(std::span<const PassResult> passes, bool noise_shared_by_pass) {
  AccuracyEstimate estimate;
  if (passes.empty() || passes[0].correct.empty()) return estimate;
  const auto seeds = static_cast<double>(passes.size());
  const std::size_t count = passes[0].correct.size();
  const auto images = static_cast<double>(count);
  for (const PassResult& pass : passes) estimate.mean += pass.accuracy() / seeds;
  const double binomial =
      normal_quantile_975 * std::sqrt(estimate.mean * (1 - estimate.mean) / images);
  estimate.ci95_images = binomial;
  if (passes.size() == 1) {
    estimate.ci95 = binomial;
  } else if (noise_shared_by_pass) {
    double variance = 0;
    for (const PassResult& pass : passes) {
      variance += std::pow(pass.accuracy() - estimate.mean, 2) / (seeds - 1);
    }
    const boost::math::students_t student(seeds - 1);
    estimate.ci95 = boost::math::quantile(student, 0.975) * std::sqrt(variance / seeds);
  } else {
    double variance = 0;
    for (std::size_t i = 0; i < count; ++i) {
      double hits = 0;
      for (const PassResult& pass : passes) hits += pass.correct[i];
      const double p = hits / seeds;
      variance += p * (1 - p) * seeds / (seeds - 1);  // unbiased variance of one outcome
    }
    estimate.ci95 = normal_quantile_975 * std::sqrt(variance / seeds) / images;
  }
  return estimate;
}

}  // namespace attojoule::network
