// The key operating_point as the verbs take it: light and repetitions for all products, or a file
// with points of each (data/operating_point_file.hpp) laid over a network's products.
//
// Tests: tests/tools/operating_point_verbs_test.cpp, and run_verb_test.cpp for what `run` refuses.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/config.hpp"
#include "data/operating_point_file.hpp"
#include "network/matrix_product.hpp"
#include "network/noise_plan.hpp"
#include "photonics/noise_model.hpp"

namespace attojoule::tools {

// What a file of points has to fit.
struct PointFileUse {
  std::filesystem::path model;  // for messages
  std::string model_sha256;     // refused if the file names another
  std::string law, encoding;    // likewise; empty: any
};

// The points of every product, in the products' order: one, or one for each output channel.
// Digital products (`digital`: empty, or one entry for each) need none in the file. ConfigError
// naming the file and the layer for a file of another network, law or encoding, for a layer that
// the network does not have or the file leaves out, and for a wrong number of channels.
std::vector<network::ProductOperatingPoint> points_of_products(
    const std::filesystem::path& file, const data::OperatingPointTable& table,
    std::span<const network::MatrixProduct> products, const std::vector<bool>& digital,
    const PointFileUse& use);

// --set assignments of a verb that takes a device and an operating point, but no experiment.
struct DeviceAssignments {
  std::vector<std::string> device;   // of the device's keys
  std::filesystem::path point_file;  // operating_point.file, relative to the working directory
  std::vector<std::string> digital_layers;
};
// Takes operating_point.file and digital_layers out of the assignments. ConfigError for any other
// key below operating_point: `instead` names the options that say the rest.
DeviceAssignments split_assignments(const std::vector<std::string>& assignments,
                                    const std::string& instead);

// The law that a file of points was made for; the homodyne receiver's where it does not say.
// ConfigError naming the file where there is no such law.
photonics::Law law_of(const std::filesystem::path& file, const data::OperatingPointTable& table);

}  // namespace attojoule::tools
