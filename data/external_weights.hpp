// Weights that an ONNX file keeps in files beside it (external data), as exporters write them by
// default and as models above 2 GiB have to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace attojoule::data {

// Reads pieces of the files beside `model`. Test: tests/data/external_weights_test.cpp.
class ExternalWeights {
 public:
  explicit ExternalWeights(std::filesystem::path model) : model_(std::move(model)) {}

  // `length` bytes of the file `location` from byte `offset` on; to its end without a length.
  // `location` is relative to the model's directory and does not leave it. Throws DataError naming
  // the model and the file where it does, is missing, or is too short.
  std::string read(const std::string& location, std::uint64_t offset,
                   std::optional<std::uint64_t> length);

  // SHA-256 of the model: of the file alone, or, where weights were read from other files, of the
  // text of its digest and theirs in the order of their names, each followed by a line feed.
  std::string sha256() const;

 private:
  std::filesystem::path model_;
  std::map<std::string, std::filesystem::path> files_;  // that were read, by location
};

}  // namespace attojoule::data
