#include "network/range_calibration.hpp"

#include <algorithm>

#include "network/parallel.hpp"

namespace attojoule::network {
namespace {

constexpr std::size_t bins = 4096;

// Value below which a share of the histogram lies, linear inside a bin.
double quantile(const InputHistogram& histogram, double share) {
  double total = 0;
  for (const auto count : histogram.counts) total += static_cast<double>(count);
  const double wanted = share * total;
  double below = 0;
  const double width =
      (histogram.high - histogram.low) / static_cast<double>(histogram.counts.size());
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    const auto count = static_cast<double>(histogram.counts[i]);
    if (below + count >= wanted && count > 0) {
      return histogram.low + width * (static_cast<double>(i) + (wanted - below) / count);
    }
    below += count;
  }
  return histogram.high;
}

}  // namespace

std::vector<InputRange> calibrate_ranges(const Program& program, const SampleSource& source,
                                         const RangeOptions& options, int threads) {
  const std::int64_t images =
      options.images > 0 ? std::min(options.images, source.size) : source.size;
  const std::size_t products = program.products().size();
  std::vector<Program::Lane> lanes;
  for (int i = 0; i < std::max(threads, 1); ++i) lanes.push_back(program.make_lane());

  Program::PassSettings settings;
  settings.statistics = true;
  std::vector<std::vector<ProductRecord>> records(static_cast<std::size_t>(images));
  parallel_for(images, threads, [&](std::int64_t i, int worker) {
    auto& lane = lanes[static_cast<std::size_t>(worker)];
    auto& own = records[static_cast<std::size_t>(i)];
    own.resize(products);
    source.load(i, lane);
    program.run(lane, static_cast<std::uint32_t>(i), settings, own);
  });

  std::vector<InputRange> extremes(products);
  std::vector<InputRange> averages(products);
  for (std::size_t k = 0; k < products; ++k) {
    for (std::size_t i = 0; i < records.size(); ++i) {
      const ProductRecord& record = records[i][k];
      InputRange& extreme = extremes[k];
      InputRange& average = averages[k];
      if (i == 0) {
        extreme.low = average.low = record.input_low;
        extreme.high = average.high = record.input_high;
      }
      extreme.low = std::min(extreme.low, record.input_low);
      extreme.high = std::max(extreme.high, record.input_high);
      average.low += options.momentum * (record.input_low - average.low);
      average.high += options.momentum * (record.input_high - average.high);
      extreme.weight_absolute_maximum = average.weight_absolute_maximum =
          std::max(extreme.weight_absolute_maximum, record.weight_absolute_maximum);
    }
  }
  if (options.method == RangeMethod::minmax) return extremes;
  if (options.method == RangeMethod::ema) return averages;

  std::vector<std::vector<InputHistogram>> by_worker(lanes.size());
  for (auto& histograms : by_worker) {
    for (const InputRange& range : extremes) {
      histograms.push_back({range.low, range.high, std::vector<std::uint64_t>(bins, 0)});
    }
  }
  parallel_for(images, threads, [&](std::int64_t i, int worker) {
    auto& lane = lanes[static_cast<std::size_t>(worker)];
    Program::PassSettings counting = settings;
    counting.histograms = &by_worker[static_cast<std::size_t>(worker)];
    std::vector<ProductRecord> own(products);
    source.load(i, lane);
    program.run(lane, static_cast<std::uint32_t>(i), counting, own);
  });
  std::vector<InputRange> result = extremes;
  for (std::size_t k = 0; k < products; ++k) {
    InputHistogram sum = by_worker[0][k];
    for (std::size_t worker = 1; worker < by_worker.size(); ++worker) {
      for (std::size_t bin = 0; bin < bins; ++bin) {
        sum.counts[bin] += by_worker[worker][k].counts[bin];
      }
    }
    if (!(sum.high > sum.low)) continue;
    result[k].low = quantile(sum, 1 - options.percentile / 100);
    result[k].high = quantile(sum, options.percentile / 100);
  }
  return result;
}

}  // namespace attojoule::network
