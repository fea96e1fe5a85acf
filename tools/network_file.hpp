// A network from an ONNX file and, where its weights lie in others, from those beside it.
#pragma once

#include <filesystem>
#include <string>

#include "network/graph.hpp"

namespace attojoule::tools {

struct NetworkFile {
  network::Graph graph;  // as imported
  std::string sha256;    // of all files (data/external_weights.hpp)
};

// Throws DataError as import_onnx and data::ExternalWeights do.
NetworkFile read_network(const std::filesystem::path& file);

}  // namespace attojoule::tools
