#include "calibration/nested_variance.hpp"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/fisher_f.hpp>
#include <cmath>
#include <utility>

namespace attojoule::calibration {
namespace {

double square(double x) {
  return x * x;
}

// Upper-tail quantile of F with n1 and n2 degrees of freedom.
double upper_f(double tail, double n1, double n2) {
  return quantile(complement(boost::math::fisher_f(n1, n2), tail));
}
double upper_f_infinite(double tail, double n1) {
  return quantile(complement(boost::math::chi_squared(n1), tail)) / n1;
}

}  // namespace

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
    for (const auto& [w, cell] : cells) {
      within += cell.squares;
      count += cell.count;
      sum += cell.count * cell.mean;
      squares_of_counts += square(cell.count);
    }
    const double mean = sum / count;
    for (const auto& [w, cell] : cells) between += cell.count * square(cell.mean - mean);
    corrected += count - squares_of_counts / count;
    result.target.push_back(t);
    result.mean.push_back(mean);
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
  const double tail = 0.025;
  const boost::math::chi_squared read_law(result.dof_read);
  result.read_lower = result.dof_read * result.ms_read / quantile(complement(read_law, tail));
  result.read_upper = result.dof_read * result.ms_read / quantile(read_law, tail);
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
  const double n1 = result.dof_write, n2 = result.dof_read;
  const double g1 = 1 - 1 / upper_f_infinite(tail, n1), g2 = 1 - 1 / upper_f_infinite(tail, n2);
  const double h1 = 1 / upper_f_infinite(1 - tail, n1) - 1;
  const double h2 = 1 / upper_f_infinite(1 - tail, n2) - 1;
  const double f_high = upper_f(tail, n1, n2), f_low = upper_f(1 - tail, n1, n2);
  const double g12 = (square(f_high - 1) - square(g1 * f_high) - square(h2)) / f_high;
  const double h12 = (square(1 - f_low) - square(h1 * f_low) - square(g2)) / f_low;
  const double a = result.ms_write, b = result.ms_read;
  const double down = square(g1 * a) + square(h2 * b) + g12 * a * b;
  const double up = square(h1 * a) + square(g2 * b) + h12 * a * b;
  result.write_lower = result.write_variance - std::sqrt(std::max(down, 0.0)) / result.n0;
  result.write_upper = result.write_variance + std::sqrt(std::max(up, 0.0)) / result.n0;

  // Means: unweighted over the cells of a target, whose scatter has both noises in it.
  double sum_w = 0, sum_x = 0, sum_y = 0;
  std::size_t index = 0;
  std::vector<double> weight;
  for (const auto& [t, cells] : table) {
    double count = 0, squares_of_counts = 0;
    for (const auto& [w, cell] : cells) {
      count += cell.count;
      squares_of_counts += square(cell.count);
    }
    const double variance =
        std::max(result.write_variance, 0.0) * squares_of_counts / square(count) +
        result.read_variance / count;
    result.mean_error.push_back(std::sqrt(variance));
    weight.push_back(variance > 0 ? 1 / variance : 1);
    sum_w += weight.back();
    sum_x += weight.back() * t;
    sum_y += weight.back() * result.mean[index++];
  }
  const double centre_x = sum_x / sum_w, centre_y = sum_y / sum_w;
  double sxx = 0, sxy = 0;
  for (std::size_t i = 0; i < result.targets; ++i) {
    sxx += weight[i] * square(result.target[i] - centre_x);
    sxy += weight[i] * (result.target[i] - centre_x) * (result.mean[i] - centre_y);
  }
  result.gain = sxy / sxx;
  result.offset = centre_y - result.gain * centre_x;
  double about_target = 0, about_line = 0, noise = 0, spread = 0, line_chi2 = 0;
  for (std::size_t i = 0; i < result.targets; ++i) {
    const double deviation = result.mean[i] - result.target[i];
    const double rest = result.mean[i] - result.offset - result.gain * result.target[i];
    about_target += square(deviation);
    about_line += square(rest);
    line_chi2 += weight[i] * square(rest);
    noise += square(result.mean_error[i]);
    spread += 4 * square(deviation * result.mean_error[i]) + 2 * std::pow(result.mean_error[i], 4);
  }
  const auto count = static_cast<double>(result.targets);
  result.transfer_variance = (about_target - noise) / count;
  result.transfer_error = std::sqrt(spread) / count;
  const double line_dof = std::max(count - 2, 1.0);
  result.residual_variance = about_line / line_dof - noise / count;
  // Where the means scatter about the line by more than their noise, so does the line.
  const double scale = result.targets > 2 ? std::max(1.0, line_chi2 / line_dof) : 1;
  result.gain_error = std::sqrt(scale / sxx);
  result.offset_error = std::sqrt(scale * (1 / sum_w + square(centre_x) / sxx));
  return result;
}

}  // namespace attojoule::calibration
