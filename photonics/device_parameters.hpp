// Every real and whole-numbered parameter of a device that its noise or its bill depends on, by the
// key of device files: for those who vary them one by one.
// Tests: tests/photonics/noise_sensitivity_test.cpp, tests/network/energy_sensitivity_test.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "photonics/device.hpp"

namespace attojoule::photonics {

struct DeviceParameter {
  const char* key;   // "receiver.capacitance"
  const char* unit;  // SI; "dB" for ratios, "1" for pure numbers
  double& (*of)(Device&);
  double in(const Device& device) const;
};
std::span<const DeviceParameter> device_parameters();

struct DeviceCount {
  const char* key;
  std::int64_t& (*of)(Device&);
};
std::span<const DeviceCount> device_counts();

// Place in device_parameters(). Throws std::logic_error where there is none of this key.
std::size_t parameter_index(std::string_view key);

// A logarithmic parameter is varied by decibels, all others by factors.
inline bool is_decibel(const DeviceParameter& parameter) {
  return std::string_view(parameter.unit) == "dB";
}

}  // namespace attojoule::photonics
