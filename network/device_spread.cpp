#include "network/device_spread.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/fisher_f.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>

#include "photonics/error.hpp"

namespace attojoule::network {
namespace {

constexpr double normal_quantile_975 = 1.959963984540054;

void require_crossed(std::size_t passes, std::size_t devices) {
  if (devices < 2) {
    throw ConfigError(fmt::format(
        "device draws: {} device{} (their spread needs two). Draw two or more, better 50.", devices,
        devices == 1 ? "" : "s"));
  }
  if (passes < 2 * devices || passes % devices != 0) {
    throw ConfigError(fmt::format(
        "device draws: {} passes of {} devices (two noise seeds or more tell what noise does from "
        "what the devices do). Set evaluation.seeds=2 or more.",
        passes, devices));
  }
}

// Mean squares of the devices and of the rest to the component between devices, with its interval.
void take_devices(DeviceSpread& spread, double ms_device, double ms_rest) {
  const auto seeds = static_cast<double>(spread.seeds);
  const auto dof = static_cast<double>(spread.devices) - 1;
  const double dof_rest = dof * (seeds - 1);
  spread.device_variance = (ms_device - ms_rest) / seeds;
  const boost::math::chi_squared chi(dof);
  const boost::math::fisher_f fisher(dof, dof_rest);
  const auto bound = [&](double p) {
    const double excess = ms_device - boost::math::quantile(fisher, p) * ms_rest;
    return std::max(0.0, excess * dof / (seeds * boost::math::quantile(chi, p)));
  };
  spread.device_variance_low = bound(0.975);
  spread.device_variance_high = bound(0.025);
  if (spread.device_variance_high == 0) {
    // Devices that differ by less than the rest explains: no more is known than that the rest hides
    // them.
    spread.device_variance_high =
        std::max(ms_device, ms_rest) * dof / (seeds * boost::math::quantile(chi, 0.025));
  }
}

double root(double variance) {
  return std::sqrt(std::max(0.0, variance));
}

// Sums of a crossed table: all, and squares of the sums of rows, columns and entries.
template <class Number>
struct Sums {
  Number all = 0, squares = 0, row_squares = 0, column_squares = 0;
};

template <class Number, class Entry>
Sums<Number> sum_table(std::size_t rows, std::size_t columns, const Entry& entry) {
  Sums<Number> sums;
  std::vector<Number> column(columns, Number{});
  for (std::size_t r = 0; r < rows; ++r) {
    Number row = 0;
    for (std::size_t c = 0; c < columns; ++c) {
      const Number value = entry(r, c);
      row += value;
      column[c] += value;
      sums.squares += value * value;
    }
    sums.all += row;
    sums.row_squares += row * row;
  }
  for (const Number value : column) sums.column_squares += value * value;
  return sums;
}

// Sums of squares times rows x columns: whole numbers where the entries are.
template <class Number>
struct SquaresTimesSize {
  Number rows, columns, rest;
};

template <class Number>
SquaresTimesSize<Number> squares(const Sums<Number>& s, std::size_t rows, std::size_t columns) {
  const auto r = static_cast<Number>(rows), c = static_cast<Number>(columns);
  return {r * s.row_squares - s.all * s.all, c * s.column_squares - s.all * s.all,
          r * c * s.squares - r * s.row_squares - c * s.column_squares + s.all * s.all};
}

}  // namespace

double DeviceSpread::device_u() const {
  return root(device_variance);
}
double DeviceSpread::noise_u() const {
  return root(noise_variance);
}
double DeviceSpread::image_u() const {
  return std::isnan(image_variance) ? image_variance : root(image_variance);
}
double DeviceSpread::device_ci95() const {
  const boost::math::students_t student(static_cast<double>(devices) - 1);
  return boost::math::quantile(student, 0.975) * device_u();
}
double DeviceSpread::noise_ci95() const {
  return normal_quantile_975 * noise_u();
}
double DeviceSpread::image_ci95() const {
  return normal_quantile_975 * image_u();
}

DeviceSpread accuracy_spread(std::span<const std::vector<std::uint8_t>> outcomes,
                             std::size_t devices, bool noise_shared_by_pass) {
  require_crossed(outcomes.size(), devices);
  const std::size_t seeds = outcomes.size() / devices;
  const std::size_t images = outcomes[0].size();
  if (static_cast<double>(images) * static_cast<double>(outcomes.size()) > 0x1p31) {
    throw ConfigError(fmt::format(
        "device draws: {} passes of {} images (2^31 results can be counted). Draw fewer devices.",
        outcomes.size(), images));
  }
  if (images == 0) throw ConfigError("device draws: no images. Set evaluation.images=1 or more.");
  const auto n = static_cast<double>(images);
  const auto d = static_cast<double>(devices), s = static_cast<double>(seeds);
  DeviceSpread spread;
  spread.devices = devices;
  spread.seeds = static_cast<int>(seeds);

  // Whole numbers throughout, so that equal devices differ by exactly nothing.
  std::vector<std::int64_t> hits(outcomes.size(), 0);
  for (std::size_t k = 0; k < outcomes.size(); ++k) {
    for (const auto hit : outcomes[k]) hits[k] += hit;
  }
  const auto pass_sums = sum_table<std::int64_t>(
      devices, seeds, [&](std::size_t r, std::size_t c) { return hits[r * seeds + c]; });
  for (std::size_t k = 0; k < devices; ++k) {
    std::int64_t own = 0;
    for (std::size_t c = 0; c < seeds; ++c) own += hits[k * seeds + c];
    spread.device_means.push_back(static_cast<double>(own) / (n * s));
  }
  spread.mean = static_cast<double>(pass_sums.all) / (n * d * s);
  const auto of_passes = squares(pass_sums, devices, seeds);
  const double ms_device = static_cast<double>(of_passes.rows) / (d * s * (d - 1) * n * n);

  std::int64_t rest = 0, columns = 0, all_squares = 0;
  for (std::size_t i = 0; i < images; ++i) {
    const auto sums = sum_table<std::int64_t>(devices, seeds, [&](std::size_t r, std::size_t c) {
      return std::int64_t{outcomes[r * seeds + c][i]};
    });
    const auto of_image = squares(sums, devices, seeds);
    rest += of_image.rest;
    columns += of_image.columns;
    all_squares += sums.all * sums.all;
  }
  double ms_rest = 0, ms_seed = 0;
  if (noise_shared_by_pass) {
    rest = of_passes.rest;
    columns = of_passes.columns;
  }
  ms_rest = static_cast<double>(rest) / (d * s * (d - 1) * (s - 1) * n * n);
  ms_seed = static_cast<double>(columns) / (d * s * (s - 1) * n * n);
  take_devices(spread, ms_device, ms_rest);
  spread.noise_variance = ms_seed / (d * s);
  if (images > 1) {
    const double mean_square = static_cast<double>(all_squares) / (d * s * d * s * n);
    spread.image_variance = (mean_square - spread.mean * spread.mean) / (n - 1);
    if (!noise_shared_by_pass) spread.image_variance -= spread.noise_variance;
  } else {
    spread.image_variance = std::numeric_limits<double>::quiet_NaN();
  }
  return spread;
}

DeviceSpread value_spread(std::span<const double> values, std::size_t devices) {
  require_crossed(values.size(), devices);
  const std::size_t seeds = values.size() / devices;
  const auto d = static_cast<double>(devices), s = static_cast<double>(seeds);
  DeviceSpread spread;
  spread.devices = devices;
  spread.seeds = static_cast<int>(seeds);
  spread.image_variance = std::numeric_limits<double>::quiet_NaN();
  // Deviations from the first device under the same seed: equal devices give exactly 0.
  const auto deviation = [&](std::size_t r, std::size_t c) {
    return values[r * seeds + c] - values[c];
  };
  std::vector<double> row(devices, 0), column(seeds, 0);
  double grand = 0, first = 0;
  for (std::size_t r = 0; r < devices; ++r) {
    for (std::size_t c = 0; c < seeds; ++c) {
      row[r] += deviation(r, c) / s;
      column[c] += deviation(r, c) / d;
    }
    grand += row[r] / d;
  }
  for (std::size_t c = 0; c < seeds; ++c) first += (values[c] - values[0]) / s;
  first += values[0];
  double ss_device = 0, ss_seed = 0, ss_rest = 0;
  for (std::size_t r = 0; r < devices; ++r) {
    spread.device_means.push_back(first + row[r]);
    ss_device += s * (row[r] - grand) * (row[r] - grand);
    for (std::size_t c = 0; c < seeds; ++c) {
      const double left = deviation(r, c) - row[r] - column[c] + grand;
      ss_rest += left * left;
    }
  }
  for (std::size_t c = 0; c < seeds; ++c) {
    const double effect = (values[c] - first) + (column[c] - grand);
    ss_seed += d * effect * effect;
  }
  spread.mean = first + grand;
  take_devices(spread, ss_device / (d - 1), ss_rest / ((d - 1) * (s - 1)));
  spread.noise_variance = ss_seed / (s - 1) / (d * s);
  return spread;
}

double correlation(std::span<const double> a, std::span<const double> b) {
  const auto count = static_cast<double>(a.size());
  double mean_a = 0, mean_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    mean_a += (a[i] - a[0]) / count;
    mean_b += (b[i] - b[0]) / count;
  }
  double aa = 0, bb = 0, ab = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double da = a[i] - a[0] - mean_a, db = b[i] - b[0] - mean_b;
    aa += da * da;
    bb += db * db;
    ab += da * db;
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace attojoule::network
