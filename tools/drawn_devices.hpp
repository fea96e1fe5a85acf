// Devices drawn from the calibration in a device's file, as `run`, `learn` and `device` use them,
// and what the three say about them alike.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "data/device_calibration.hpp"
#include "data/result_file.hpp"

namespace attojoule::tools {

struct DrawnDevices {
  data::DeviceCalibration calibration;
  data::DeviceDraws draws;
  std::uint64_t seed = 0;
  std::vector<std::size_t> ran;  // indices of the devices that could do what was asked for
  std::string why_not;           // of the first that could not

  std::size_t cannot_run() const { return draws.devices.size() - ran.size(); }
  double standard_uncertainty(std::size_t parameter) const;
  std::vector<double> values(std::size_t parameter) const;  // of the devices that ran
  // Pearson's correlation of a number of every device that ran with each parameter.
  std::vector<double> correlations(std::span<const double> by_device) const;
  // ConfigError where fewer than two ran; `what` they could not do.
  void require_two(const std::string& what) const;
};

// ConfigError where the device's file has no calibration, or hardly a draw is inside of physics.
DrawnDevices draw_devices(const std::string& source, const std::vector<std::string>& overrides,
                          std::size_t count, std::uint64_t seed);

// "50 devices drawn …", and what could not run.
void print_drawn(const DrawnDevices& drawn, std::ostream& out);
// devices, refused, cannot_run, source, parameters.
nlohmann::ordered_json drawn_json(const DrawnDevices& drawn);
// {key: correlation}, null where there is none.
nlohmann::ordered_json correlations_json(const DrawnDevices& drawn,
                                         std::span<const double> correlations);
// Axes /calibration/draw and /calibration/parameter, what was drawn from, and drawn/KEY.
void write_drawn(const DrawnDevices& drawn, data::ResultWriter& writer);

inline constexpr const char* draw_axis = "/calibration/draw";
inline constexpr const char* parameter_axis = "/calibration/parameter";

}  // namespace attojoule::tools
