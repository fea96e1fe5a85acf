// ONNX files whose weights lie in other files; models in one file: import_onnx of graph.hpp.
#pragma once

#include <cstdint>
#include <functional>
#include <istream>
#include <optional>
#include <string>

#include "network/graph.hpp"

namespace attojoule::network {

// Where weights outside of the ONNX file come from: `length` bytes (to the end without one) of the
// file `location`, as the model names it, from byte `offset` on. Throws what it likes.
using ExternalWeightReader = std::function<std::string(
    const std::string& location, std::uint64_t offset, std::optional<std::uint64_t> length)>;

// As import_onnx of a stream. Without a reader a model with weights in other files is refused.
// Test: tests/network/onnx_import_test.cpp.
Graph import_onnx(std::istream& stream, const std::string& file_name,
                  const ExternalWeightReader& external);

}  // namespace attojoule::network
