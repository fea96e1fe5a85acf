// Devices from YAML with unit strings: presets shipped in data/devices, or a user's own file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/config.hpp"
#include "photonics/device.hpp"

namespace attojoule::data {

// A preset name ("ideal-shot-noise") or the path of a device.yaml. Throws ConfigError with
// file:line:column for bad keys, units and values, or naming the presets if there is no such one;
// DataError for a file that cannot be read.
photonics::Device load_device(const std::string& name_or_path);
// `overrides`: "receiver.capacitance=1 pF" and the like, applied before validation.
photonics::Device load_device(const std::string& name_or_path,
                              const std::vector<std::string>& overrides);
// The file of a preset or path, as load_device() finds it. ConfigError naming the presets if there
// is no such one.
std::filesystem::path device_path(const std::string& name_or_path);
// From text; `place` names it in errors.
photonics::Device parse_device(const std::string& text, const std::string& place);
std::vector<std::string> device_presets();
// The fully resolved device as YAML with units, as it goes into every result file.
std::string device_to_yaml(const photonics::Device& device);

}  // namespace attojoule::data
