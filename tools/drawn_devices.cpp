#include "tools/drawn_devices.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "network/device_spread.hpp"
#include "photonics/error.hpp"

namespace attojoule::tools {

double DrawnDevices::standard_uncertainty(std::size_t parameter) const {
  return std::sqrt(calibration.covariance[parameter * (calibration.parameters.size() + 1)]);
}

std::vector<double> DrawnDevices::values(std::size_t parameter) const {
  std::vector<double> result;
  for (const std::size_t k : ran) result.push_back(draws.values[k][parameter]);
  return result;
}

std::vector<double> DrawnDevices::correlations(std::span<const double> by_device) const {
  std::vector<double> result;
  for (std::size_t p = 0; p < calibration.parameters.size(); ++p) {
    result.push_back(network::correlation(by_device, values(p)));
  }
  return result;
}

void DrawnDevices::require_two(const std::string& what) const {
  if (ran.size() >= 2) return;
  throw ConfigError(
      fmt::format("device draws: {} of {} devices cannot {} ({}). Leave the calibration's "
                  "uncertainty a margin.",
                  cannot_run(), draws.devices.size(), what, why_not));
}

DrawnDevices draw_devices(const std::string& source, const std::vector<std::string>& overrides,
                          std::size_t count, std::uint64_t seed) {
  DrawnDevices drawn;
  drawn.seed = seed;
  drawn.calibration = data::load_calibration(source);
  drawn.draws = data::draw_devices(source, overrides, count, seed);
  return drawn;
}

void print_drawn(const DrawnDevices& drawn, std::ostream& out) {
  out << fmt::format(
      "\n{} devices drawn from the calibration, {} draws outside of physics refused\n",
      drawn.draws.devices.size(), drawn.draws.refused);
  if (drawn.cannot_run() > 0) {
    out << fmt::format("{} of them cannot run this and are left out: {}\n", drawn.cannot_run(),
                       drawn.why_not);
  }
}

nlohmann::ordered_json drawn_json(const DrawnDevices& drawn) {
  nlohmann::ordered_json json;
  json["devices"] = drawn.draws.devices.size();
  json["refused"] = drawn.draws.refused;
  json["cannot_run"] = drawn.cannot_run();
  if (drawn.cannot_run() > 0) json["cannot_run_because"] = drawn.why_not;
  json["source"] = drawn.calibration.source;
  for (std::size_t i = 0; i < drawn.calibration.parameters.size(); ++i) {
    const auto& p = drawn.calibration.parameters[i];
    json["parameters"].push_back({{"key", p.key},
                                  {"unit", p.unit},
                                  {"value", p.value},
                                  {"u", drawn.standard_uncertainty(i)},
                                  {"u_a", p.u_a},
                                  {"u_b", p.u_b}});
  }
  return json;
}

nlohmann::ordered_json correlations_json(const DrawnDevices& drawn,
                                         std::span<const double> correlations) {
  nlohmann::ordered_json json;
  for (std::size_t i = 0; i < correlations.size(); ++i) {
    json[drawn.calibration.parameters[i].key] = std::isfinite(correlations[i])
                                                    ? nlohmann::ordered_json(correlations[i])
                                                    : nlohmann::ordered_json(nullptr);
  }
  return json;
}

void write_drawn(const DrawnDevices& drawn, data::ResultWriter& writer) {
  std::vector<double> index, value, u, u_a, u_b;
  std::vector<std::string> keys, units;
  for (const std::size_t k : drawn.ran) index.push_back(static_cast<double>(k));
  for (std::size_t i = 0; i < drawn.calibration.parameters.size(); ++i) {
    const auto& p = drawn.calibration.parameters[i];
    keys.push_back(p.key);
    units.push_back(p.unit);
    value.push_back(p.value);
    u.push_back(drawn.standard_uncertainty(i));
    u_a.push_back(p.u_a);
    u_b.push_back(p.u_b);
  }
  const data::AxisPaths by_parameter{parameter_axis}, by_draw{draw_axis};
  const std::string group = "/calibration/", second = group + "parameter_2";
  writer.axis(draw_axis, index, "1", "number of the drawn device");
  writer.axis(parameter_axis, keys, "key of the device file");
  writer.axis(second, keys, "key of the device file");
  writer.write(group + "unit", units, by_parameter, "unit of the parameter");
  writer.write(group + "value", value, by_parameter, "1",
               "calibrated value, in the parameter's unit");
  writer.write(group + "u", u, by_parameter, "1", "standard uncertainty, in the parameter's unit");
  writer.write(group + "u_a", u_a, by_parameter, "1", "its part of type A");
  writer.write(group + "u_b", u_b, by_parameter, "1", "its part of type B");
  writer.write(group + "covariance", drawn.calibration.covariance, {parameter_axis, second}, "1",
               "covariance that devices are drawn from, in the parameters' units");
  for (std::size_t i = 0; i < keys.size(); ++i) {
    writer.write(group + "drawn/" + keys[i], drawn.values(i), by_draw, units[i],
                 "drawn value of " + keys[i]);
  }
  writer.scalar(group + "refused", static_cast<double>(drawn.draws.refused), "1",
                "draws outside of physics, drawn anew");
  writer.scalar(group + "cannot_run", static_cast<double>(drawn.cannot_run()), "1",
                "drawn devices that cannot do this, left out");
  writer.scalar(group + "source", drawn.calibration.source, "where the calibration comes from");
}

}  // namespace attojoule::tools
