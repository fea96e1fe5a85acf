#include "tools/network_file.hpp"

#include "data/bytes.hpp"
#include "data/external_weights.hpp"
#include "network/onnx_import.hpp"

namespace attojoule::tools {

NetworkFile read_network(const std::filesystem::path& file) {
  data::ExternalWeights external(file);
  std::ifstream stream = data::open_for_reading(file);
  NetworkFile result;
  result.graph = network::import_onnx(
      stream, file.string(),
      [&](const std::string& location, std::uint64_t offset, std::optional<std::uint64_t> length) {
        return external.read(location, offset, length);
      });
  result.sha256 = external.sha256();
  return result;
}

}  // namespace attojoule::tools
