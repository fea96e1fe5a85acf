// Operating points of a network's layers in a file: what `attojoule learn` writes and `run` loads.
//
// HDF5: the group /learn of a result file, one entry for every point:
//   /learn/layers/name                axis, nodes of the network
//   /learn/layers/dot_length          multiplications of one output (optional)
//   /learn/point/index                axis 0, 1, ...
//   /learn/point/layer, channel       index into /learn/layers/name; output channel, -1 = all of
//   them /learn/point/photons_per_mac, repetitions, integrations attributes of /learn:
//   model_sha256, law, encoding
// YAML, for points from elsewhere or written by hand; a list is one entry for each channel:
//   model_sha256: 0123…            (optional)
//   law: homodyne                  (optional)
//   layers:
//     - {name: conv1, photons_per_mac: 30, repetitions: 2, dot_length: 27}   (dot_length optional)
//     - {name: fc, photons_per_mac: [3, 4, 5]}
// Format for users: docs/files.md. Tests: tests/data/operating_point_file_test.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/result_file.hpp"
#include "photonics/noise_model.hpp"

namespace attojoule::data {

struct LayerPoints {
  std::string name;
  std::vector<photonics::OperatingPoint> points;  // one for all output channels, or one for each
  std::int64_t dot_length = 0;                    // 0: not said
};

struct OperatingPointTable {
  std::string model_sha256;  // empty: not said
  std::string law, encoding;
  std::vector<LayerPoints> layers;
};

// DataError for an HDF5 file without such a group or with values out of range, ConfigError for YAML
// that says it wrong; both name the file and the entry.
OperatingPointTable read_operating_points(const std::filesystem::path& file);

// Writes the group /learn as above. The writer's own attribute model_sha256 is not consulted.
void write_operating_points(ResultWriter& writer, const OperatingPointTable& table);

}  // namespace attojoule::data
