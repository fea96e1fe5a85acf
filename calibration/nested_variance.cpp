#include "calibration/nested_variance.hpp"

#include <algorithm>
#include <array>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/fisher_f.hpp>
#include <boost/math/quadrature/gauss.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <functional>
#include <limits>

#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

using Interval = std::pair<double, double>;
// Twelve digits are plenty for a probability; boost's default computes in long double.
using Quick = boost::math::policies::policy<boost::math::policies::promote_double<false>>;
using ChiSquared = boost::math::chi_squared_distribution<double, Quick>;

double square(double x) {
  return x * x;
}

// The root of an increasing function that is negative at 0 and positive far enough from it.
double positive_root(const std::function<double(double)>& f, double start, int bits = 20) {
  double high = start, low = start;
  while (f(high) < 0 && high < std::numeric_limits<double>::max() / 4) high *= 2;
  if (high > start) {
    low = high / 2;
  } else {
    while (f(low) > 0 && low > std::numeric_limits<double>::min() * 4) low /= 2;
  }
  if (!(f(low) < 0 && f(high) > 0)) return f(low) < 0 ? high : low;
  std::uintmax_t most = 100;
  const auto [a, b] = boost::math::tools::toms748_solve(
      f, low, high, boost::math::tools::eps_tolerance<double>(bits), most);
  return (a + b) / 2;
}

// Of x >= 0 from its confidence distribution P(x' <= x), which increases. Within few `resolution`
// of zero the lower tail takes over what the upper one has.
Interval one_sided_at_zero(const std::function<double(double)>& confidence, double resolution,
                           double probability, double start) {
  const double tails = 1 - probability;
  const auto lower_tail = [&](double x) {
    return resolution > 0 ? tails * (1 + std::exp(-x / resolution)) / 2 : tails / 2;
  };
  const auto below = [&](double x) { return confidence(x) - lower_tail(x); };
  const auto above = [&](double x) { return below(x) - probability; };
  Interval result{0, positive_root(above, start)};
  if (below(0) < 0) result.first = positive_root(below, start);
  return result;
}

// Mean of a function over the law of SS / chi-square(dof), the distribution of a variance given its
// sum of squares: Gauss-Legendre over the probability.
class OverVariance {
 public:
  OverVariance(double sum_of_squares, double dof) {
    using Rule = boost::math::quadrature::gauss<double, 20>;
    const ChiSquared law(dof);
    std::size_t at = 0;
    for (std::size_t i = 0; i < Rule::abscissa().size(); ++i) {
      for (const double side : {-1.0, 1.0}) {
        const double p = (1 + side * Rule::abscissa()[i]) / 2;
        variance_[at] = sum_of_squares / quantile(law, p);
        weight_[at++] = Rule::weights()[i] / 2;
      }
    }
  }
  template <class F>
  double mean(const F& f) const {
    double sum = 0;
    for (std::size_t i = 0; i < variance_.size(); ++i) sum += weight_[i] * f(variance_[i]);
    return sum;
  }

 private:
  std::array<double, 20> variance_{}, weight_{};
};

// h(x, read) of the header. Below zero, where an uneven design has no weights, as if it were even.
double weighted_squares(const NestedVariance& v, double x, double read) {
  if (x < 0 || !(x + read > 0)) {
    const double variance = read + v.n0 * x;
    return variance > 0 ? v.dof_write * v.ms_write / variance
                        : std::numeric_limits<double>::infinity();
  }
  double sum = 0;
  for (const auto& [reads, squares] : v.squares) sum += squares / (x + read / reads);
  for (const auto& groups : v.uneven) {
    double weights = 0, centre = 0;
    for (const auto& group : groups) {
      const double weight = group.cells / (x + read / group.reads);
      weights += weight;
      centre += weight * group.mean;
    }
    centre /= weights;
    for (const auto& group : groups) {
      sum += group.cells / (x + read / group.reads) * square(group.mean - centre);
    }
  }
  return sum;
}

double upper_chi_squared(double dof, double x) {
  return std::isfinite(x) ? cdf(complement(ChiSquared(dof), x)) : 0;
}

// P(Q > q) of a quadratic form in normal numbers of which the sums c_j of the eigenvalues' powers,
// sum lambda^j (1 + j delta^2), are given: three moments, as a shifted and scaled chi-square
// (Pearson; Imhof 1961).
double upper_quadratic_form(double c1, double c2, double c3, double q) {
  const double dof = c2 * square(c2) / square(c3);
  const double y = (q - c1) * std::sqrt(dof / c2) + dof;
  return y > 0 ? upper_chi_squared(dof, y) : 1;
}

void need_determined(const NestedVariance& v) {
  if (v.undetermined.empty()) return;
  throw RunError("weights: no interval (" + v.undetermined + ").");
}

// What the means' noise adds up to, as a linear combination of the mean squares, and its degrees of
// freedom by Satterthwaite.
struct NoiseOfMeans {
  double sum = 0, dof = 0;
};

NoiseOfMeans noise_of_means(const NestedVariance& v) {
  double write = 0, read = 0;
  for (std::size_t i = 0; i < v.targets; ++i) {
    write += v.mean_write[i] / v.n0;
    read += v.mean_read[i];
  }
  read -= write;
  NoiseOfMeans noise;
  noise.sum = write * v.ms_write + read * v.ms_read;
  noise.dof = square(noise.sum) /
              (square(write * v.ms_write) / v.dof_write + square(read * v.ms_read) / v.dof_read);
  // No programming noise at all where the estimate is that negative.
  if (!(noise.sum > 0)) noise = {(write + read) * v.ms_read, v.dof_read};
  return noise;
}

void fit_line(NestedVariance& v) {
  const auto count = static_cast<double>(v.targets);
  std::vector<double> noise;
  double largest = 0;
  for (const double error : v.mean_error) {
    noise.push_back(square(error));
    largest = std::max(largest, noise.back());
  }
  if (!(largest > 0)) noise.assign(v.targets, 1.0);  // exact data: any weights
  double sum_w = 0, sxx = 0, centre_x = 0;
  // chi2 about the line with weights 1 / (noise + extra).
  const auto chi2_with = [&](double extra) {
    double sum_x = 0, sum_y = 0, sxy = 0, chi2 = 0;
    sum_w = sxx = 0;
    for (std::size_t i = 0; i < v.targets; ++i) {
      const double w = 1 / (noise[i] + extra);
      sum_w += w;
      sum_x += w * v.target[i];
      sum_y += w * v.mean[i];
    }
    centre_x = sum_x / sum_w;
    const double centre_y = sum_y / sum_w;
    for (std::size_t i = 0; i < v.targets; ++i) {
      const double w = 1 / (noise[i] + extra), x = v.target[i] - centre_x;
      sxx += w * x * x;
      sxy += w * x * (v.mean[i] - centre_y);
    }
    v.gain = sxy / sxx;
    v.offset = centre_y - v.gain * centre_x;
    for (std::size_t i = 0; i < v.targets; ++i) {
      chi2 += square(v.mean[i] - v.offset - v.gain * v.target[i]) / (noise[i] + extra);
    }
    return chi2;
  };
  v.line_dof = count - 2;
  double scale = 1;
  if (v.targets > 2) {
    double chi2 = chi2_with(0);
    if (chi2 > v.line_dof && largest > 0) {
      v.line_variance = positive_root([&](double x) { return v.line_dof - chi2_with(x); },
                                      largest * chi2 / v.line_dof, 50);
      chi2 = chi2_with(v.line_variance);
    }
    scale = chi2 / v.line_dof;
  } else {
    chi2_with(0);
    v.line_dof = noise_of_means(v).dof;
    if (!(largest > 0)) scale = 0;
  }
  v.gain_error = std::sqrt(scale / sxx);
  v.offset_error = std::sqrt(scale * (1 / sum_w + square(centre_x) / sxx));
  v.line_covariance = -scale * centre_x / sxx;
}

}  // namespace

Interval NestedVariance::read_interval(double probability) const {
  need_determined(*this);
  const ChiSquared law(dof_read);
  const double tail = (1 - probability) / 2, sum = dof_read * ms_read;
  return {sum / quantile(complement(law, tail)), sum / quantile(law, tail)};
}

Interval NestedVariance::write_interval(double probability) const {
  need_determined(*this);
  if (!(ms_write > 0)) return {0, 0};
  const OverVariance read(dof_read * ms_read, dof_read);
  const auto confidence = [&](double x) {
    return read.mean(
        [&](double r) { return upper_chi_squared(dof_write, weighted_squares(*this, x, r)); });
  };
  const double resolution = std::sqrt(2 / dof_write + 2 / dof_read) * ms_read / n0;
  return one_sided_at_zero(confidence, resolution, probability,
                           std::max(write_variance, ms_write / n0 / dof_write));
}

Interval NestedVariance::total_interval(double probability) const {
  need_determined(*this);
  if (!(ms_write > 0)) return read_interval(probability);
  const OverVariance read(dof_read * ms_read, dof_read);
  const auto confidence = [&](double total) {
    return read.mean([&](double r) {
      return upper_chi_squared(dof_write, weighted_squares(*this, total - r, r));
    });
  };
  const double tail = (1 - probability) / 2, start = std::max(write_variance, 0.0) + read_variance;
  return {positive_root([&](double x) { return confidence(x) - tail; }, start),
          positive_root([&](double x) { return confidence(x) - (1 - tail); }, start)};
}

Interval NestedVariance::transfer_interval(double probability) const {
  need_determined(*this);
  const auto count = static_cast<double>(targets);
  double noise1 = 0, noise2 = 0, noise3 = 0, q = 0;
  for (std::size_t i = 0; i < targets; ++i) {
    const double v = square(mean_error[i]);
    noise1 += v;
    noise2 += v * v;
    noise3 += v * v * v;
    q += square(mean[i] - target[i]);
  }
  if (!(noise1 > 0)) return {q / count, q / count};
  if (!(q > 0)) return {0, 0};
  const NoiseOfMeans noise = noise_of_means(*this);
  const OverVariance scale(noise.sum / noise1 * noise.dof, noise.dof);
  const auto confidence = [&](double x) {
    return scale.mean([&](double r) {
      return upper_quadratic_form(r * noise1 + count * x, r * (r * noise2 + 2 * x * noise1),
                                  r * r * (r * noise3 + 3 * x * noise2), q);
    });
  };
  return one_sided_at_zero(confidence, std::sqrt(2 * noise2) / count, probability,
                           std::max(transfer_variance, noise1 / square(count)));
}

NestedVariance nested_variance(std::span<const double> target, std::span<const double> write,
                               std::span<const double> value) {
  struct Cell {
    double count = 0, mean = 0, squares = 0;
  };
  std::map<double, std::map<double, Cell>> table;
  for (std::size_t i = 0; i < value.size(); ++i) {
    Cell& cell = table[target[i]][write[i]];
    ++cell.count;
    const double delta = value[i] - cell.mean;
    cell.mean += delta / cell.count;
    cell.squares += delta * (value[i] - cell.mean);
  }
  NestedVariance result;
  result.targets = table.size();
  result.readings = value.size();
  double within = 0, between = 0, corrected = 0;
  for (const auto& [t, cells] : table) {
    result.cells += cells.size();
    double count = 0, sum = 0, squares_of_counts = 0;
    std::map<double, std::pair<NestedVariance::Group, double>> groups;
    for (const auto& [w, cell] : cells) {
      within += cell.squares;
      count += cell.count;
      sum += cell.count * cell.mean;
      squares_of_counts += square(cell.count);
      auto& [group, squares] = groups[cell.count];
      group.reads = cell.count;
      ++group.cells;
      const double delta = cell.mean - group.mean;
      group.mean += delta / group.cells;
      squares += delta * (cell.mean - group.mean);
    }
    const double mean = sum / count;
    for (const auto& [w, cell] : cells) between += cell.count * square(cell.mean - mean);
    corrected += count - squares_of_counts / count;
    result.target.push_back(t);
    result.mean.push_back(mean);
    result.mean_write.push_back(squares_of_counts / square(count));
    result.mean_read.push_back(1 / count);
    std::vector<NestedVariance::Group> of_target;
    for (const auto& [reads, group] : groups) {
      result.squares[reads] += group.second;
      of_target.push_back(group.first);
    }
    if (of_target.size() > 1) result.uneven.push_back(of_target);
  }
  result.dof_read = static_cast<double>(result.readings) - static_cast<double>(result.cells);
  result.dof_write = static_cast<double>(result.cells) - static_cast<double>(result.targets);
  if (result.targets < 2) {
    result.undetermined =
        "one target value: a transfer needs at least two. Give a file with more targets, or name "
        "its column with --target";
  } else if (result.dof_read < 1) {
    result.undetermined =
        "cannot separate read noise and programming noise: no value was read twice after one "
        "writing. Read every written value at least twice";
  } else if (result.dof_write < 1) {
    result.undetermined =
        "cannot separate programming noise and systematic transfer error: no target was written "
        "twice. Write every target at least twice";
  }
  if (!result.undetermined.empty()) return result;
  result.ms_read = within / result.dof_read;
  result.ms_write = between / result.dof_write;
  result.n0 = corrected / result.dof_write;
  result.read_variance = result.ms_read;
  result.write_variance = (result.ms_write - result.ms_read) / result.n0;
  result.read_error = result.ms_read * std::sqrt(2 / result.dof_read);
  result.write_error = std::sqrt(2 * square(result.ms_write) / result.dof_write +
                                 2 * square(result.ms_read) / result.dof_read) /
                       result.n0;
  if (result.ms_read > 0) {
    result.write_probability =
        cdf(complement(boost::math::fisher_f(result.dof_write, result.dof_read),
                       result.ms_write / result.ms_read));
  } else {
    result.write_probability = result.ms_write > 0 ? 0 : 1;
  }
  for (std::size_t i = 0; i < result.targets; ++i) {
    result.mean_error.push_back(
        std::sqrt(std::max(result.write_variance, 0.0) * result.mean_write[i] +
                  result.read_variance * result.mean_read[i]));
  }
  fit_line(result);
  double about_target = 0, about_line = 0, noise = 0, spread = 0;
  for (std::size_t i = 0; i < result.targets; ++i) {
    const double deviation = result.mean[i] - result.target[i];
    about_target += square(deviation);
    about_line += square(result.mean[i] - result.offset - result.gain * result.target[i]);
    noise += square(result.mean_error[i]);
    spread += 4 * square(deviation * result.mean_error[i]) + 2 * std::pow(result.mean_error[i], 4);
  }
  const auto count = static_cast<double>(result.targets);
  result.transfer_variance = (about_target - noise) / count;
  result.transfer_error = std::sqrt(spread) / count;
  result.residual_variance = about_line / std::max(count - 2, 1.0) - noise / count;
  return result;
}

}  // namespace attojoule::calibration
