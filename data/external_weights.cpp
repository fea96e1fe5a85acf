#include "data/external_weights.hpp"

#include <fmt/format.h>

#include <fstream>

#include "data/bytes.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {

std::string ExternalWeights::read(const std::string& location, std::uint64_t offset,
                                  std::optional<std::uint64_t> length) {
  const std::filesystem::path relative(location);
  bool leaves = location.empty() || relative.is_absolute();
  for (const auto& part : relative) leaves = leaves || part == "..";
  if (leaves) {
    throw DataError(fmt::format(
        "{}: weights in '{}' (not a file in the model's directory). Put the file beside "
        "the model and save the model again.",
        model_.string(), location));
  }
  const std::filesystem::path file = model_.parent_path() / relative;
  if (!std::filesystem::exists(file)) {
    throw DataError(
        fmt::format("{}: its weights lie in {}, which does not exist. Copy both files, or save the "
                    "model as one (onnx.save_model with save_as_external_data=False).",
                    model_.string(), file.string()));
  }
  std::ifstream stream = open_for_reading(file);
  files_.emplace(location, file);
  stream.seekg(0, std::ios::end);
  const auto size = static_cast<std::uint64_t>(stream.tellg());
  const std::uint64_t wanted = length.value_or(offset <= size ? size - offset : 0);
  if (offset > size || wanted > size - offset) {
    throw DataError(
        fmt::format("{}: bytes {} to {} of {}, which has {}. Check that the file was copied whole.",
                    model_.string(), offset, offset + wanted, file.string(), size));
  }
  std::string bytes(wanted, '\0');
  stream.seekg(static_cast<std::streamoff>(offset));
  stream.read(bytes.data(), static_cast<std::streamsize>(wanted));
  if (!stream) {
    throw DataError(fmt::format("{}: cannot be read to its end. Check the disk.", file.string()));
  }
  return bytes;
}

std::string ExternalWeights::sha256() const {
  const std::string own = sha256_of_file(model_);
  if (files_.empty()) return own;
  std::string digests = own + "\n";
  for (const auto& [location, file] : files_) digests += sha256_of_file(file) + "\n";
  return sha256_of_text(digests);
}

}  // namespace attojoule::data
