// `attojoule device DEVICE --lab-files DIR`: the measurements that a bench would take of a device
// (calibration/bench_simulation.hpp) as files that `attojoule calibrate` reads, with what is true
// beside them. Test: tests/tools/lab_files_test.cpp.
#pragma once

#include <filesystem>
#include <string>

#include "calibration/bench_simulation.hpp"
#include "photonics/device.hpp"
#include "tools/verbs.hpp"

namespace attojoule::tools {

// Makes `folder`: one file a measurement, device.yaml (the device itself), truth.json (every true
// value, and the arguments of `calibrate`), README.md (the commands, one after another, to one
// calibrated device). Files of these names are replaced, others left alone. `source` is what the
// user called the device: calibration starts from it. RunError where it cannot be written.
void write_lab_files(const photonics::Device& device, const std::string& source,
                     const calibration::Bench& bench, const std::filesystem::path& folder,
                     bool json, const Streams& streams);

}  // namespace attojoule::tools
