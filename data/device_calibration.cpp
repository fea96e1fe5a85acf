#include "data/device_calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "data/device_file.hpp"
#include "data/paths.hpp"
#include "data/yaml_text.hpp"
#include "photonics/error.hpp"
#include "photonics/random_sequence.hpp"

namespace attojoule::data {
namespace {

// Lower triangle L with L L' = covariance; a zero variance gives a zero row. False where it is not
// positive semidefinite.
bool cholesky(const std::vector<double>& covariance, std::size_t n, std::vector<double>& lower) {
  lower.assign(n * n, 0);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k <= i; ++k) {
      double sum = covariance[i * n + k];
      for (std::size_t j = 0; j < k; ++j) sum -= lower[i * n + j] * lower[k * n + j];
      if (i == k) {
        // Rounding of a singular covariance (parameters that depend on each other).
        if (sum < -1e-9 * covariance[i * n + i]) return false;
        lower[i * n + i] = sum > 1e-12 * covariance[i * n + i] ? std::sqrt(sum) : 0;
      } else {
        lower[i * n + k] = lower[k * n + k] > 0 ? sum / lower[k * n + k] : 0;
      }
    }
  }
  return true;
}

std::string override_text(const DeviceCalibration::Parameter& parameter, double value) {
  return fmt::format("{}={:.17g}{}", parameter.key, value,
                     parameter.unit == "1" ? "" : " " + parameter.unit);
}

}  // namespace

DeviceCalibration read_calibration(const ConfigNode& root) {
  DeviceCalibration result;
  if (!root.has("calibration")) return result;
  const ConfigNode node = root.child("calibration");
  if (!node.is_map()) node.fail("calibration is not a section", "Give keys below it");
  result.source = node.text_or("source", "");
  for (const ConfigNode& item : node.child("parameters").items()) {
    DeviceCalibration::Parameter parameter;
    parameter.key = item.text("key");
    parameter.unit = item.text_or("unit", "1");
    parameter.value = item.number("value", Dimension::none);
    parameter.u_a = item.number_or("u_a", Dimension::none, 0);
    parameter.u_b = item.number_or("u_b", Dimension::none, 0);
    item.finish();
    result.parameters.push_back(parameter);
  }
  const ConfigNode covariance = node.child("covariance");
  const std::size_t n = result.parameters.size();
  for (const ConfigNode& row : covariance.items()) {
    for (const ConfigNode& cell : row.items()) {
      result.covariance.push_back(cell.number(Dimension::none));
    }
  }
  if (n == 0 || result.covariance.size() != n * n) {
    covariance.fail(fmt::format("calibration.covariance has {} numbers for {} parameters",
                                result.covariance.size(), n),
                    "Give one row of as many numbers for every parameter");
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      const double a = result.covariance[i * n + k], b = result.covariance[k * n + i];
      if (std::abs(a - b) >
          1e-9 * std::sqrt(std::abs(result.covariance[i * n + i] * result.covariance[k * n + k]))) {
        covariance.fail("calibration.covariance is not symmetric", "Correct it");
      }
    }
  }
  std::vector<double> lower;
  if (!cholesky(result.covariance, n, lower)) {
    covariance.fail(
        "calibration.covariance is not positive semidefinite (no random numbers have it)",
        "Correct it");
  }
  node.finish();
  return result;
}

DeviceCalibration load_calibration(const std::string& name_or_path) {
  return read_calibration(ConfigNode::load(device_path(name_or_path)));
}

std::string calibration_to_yaml(const DeviceCalibration& calibration) {
  if (calibration.parameters.empty()) return "";
  std::string text =
      "calibration:\n  source: " + yaml_quoted(calibration.source) + "\n  parameters:\n";
  for (const auto& p : calibration.parameters) {
    text += fmt::format("    - {{key: {}, unit: {}, value: {:.17g}, u_a: {:.17g}, u_b: {:.17g}}}\n",
                        p.key, yaml_quoted(p.unit), p.value, p.u_a, p.u_b);
  }
  text += "  covariance:  # of the parameters in that order, in their units\n";
  const std::size_t n = calibration.parameters.size();
  for (std::size_t i = 0; i < n; ++i) {
    text += "    - [";
    for (std::size_t k = 0; k < n; ++k) {
      text += fmt::format("{}{:.17g}", k > 0 ? ", " : "", calibration.covariance[i * n + k]);
    }
    text += "]\n";
  }
  return text;
}

DeviceCalibration combine(const DeviceCalibration& earlier, const DeviceCalibration& later) {
  const auto measured_again = [&](const DeviceCalibration::Parameter& parameter) {
    return std::any_of(later.parameters.begin(), later.parameters.end(),
                       [&](const auto& p) { return p.key == parameter.key; });
  };
  DeviceCalibration result;
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < earlier.parameters.size(); ++i) {
    if (measured_again(earlier.parameters[i])) continue;
    kept.push_back(i);
    result.parameters.push_back(earlier.parameters[i]);
  }
  result.source = kept.empty() ? "" : earlier.source;
  if (!later.source.empty()) result.source += (result.source.empty() ? "" : "; ") + later.source;
  const std::size_t before = kept.size();
  result.parameters.insert(result.parameters.end(), later.parameters.begin(),
                           later.parameters.end());
  const std::size_t n = result.parameters.size();
  result.covariance.assign(n * n, 0);
  for (std::size_t i = 0; i < before; ++i) {
    for (std::size_t k = 0; k < before; ++k) {
      result.covariance[i * n + k] =
          earlier.covariance[kept[i] * earlier.parameters.size() + kept[k]];
    }
  }
  const std::size_t more = later.parameters.size();
  for (std::size_t i = 0; i < more; ++i) {
    for (std::size_t k = 0; k < more; ++k) {
      result.covariance[(before + i) * n + before + k] = later.covariance[i * more + k];
    }
  }
  return result;
}

DeviceDraws draw_devices(const std::string& name_or_path, const std::vector<std::string>& overrides,
                         std::size_t count, std::uint64_t seed) {
  const DeviceCalibration calibration = load_calibration(name_or_path);
  const std::size_t n = calibration.parameters.size();
  if (n == 0) {
    throw ConfigError(fmt::format(
        "{}: no section `calibration` (devices are drawn from its covariance). Write one with "
        "attojoule calibrate KIND DATA --out DIR: DIR/device.yaml.",
        device_path(name_or_path).string()));
  }
  std::vector<double> lower;
  cholesky(calibration.covariance, n, lower);
  DeviceDraws draws;
  for (std::size_t index = 0; draws.devices.size() < count; ++index) {
    if (draws.refused > 9 * (draws.devices.size() + 10)) {
      throw ConfigError(fmt::format(
          "{}: {} of {} devices drawn from the calibration are impossible (its values lie at or "
          "beyond a physical bound). Look at its parameters.",
          device_path(name_or_path).string(), draws.refused, index));
    }
    photonics::RandomSequence random(
        {.seed = seed, .domain = photonics::NoiseDomain::lab, .layer = 1}, index);
    std::vector<double> z(n), values(n);
    for (double& value : z) value = random.normal();
    std::vector<std::string> assignments;
    for (std::size_t i = 0; i < n; ++i) {
      values[i] = calibration.parameters[i].value;
      for (std::size_t k = 0; k <= i; ++k) values[i] += lower[i * n + k] * z[k];
      assignments.push_back(override_text(calibration.parameters[i], values[i]));
    }
    assignments.insert(assignments.end(), overrides.begin(), overrides.end());
    try {
      draws.devices.push_back(load_device(name_or_path, assignments));
      draws.values.push_back(values);
    } catch (const ConfigError&) {
      // The mean itself must be a device; else the reason is not the draw.
      if (draws.refused == 0) load_device(name_or_path, overrides);
      ++draws.refused;
    }
  }
  return draws;
}

}  // namespace attojoule::data
