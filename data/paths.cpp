#include "data/paths.hpp"

#include "data/build_info.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {

std::filesystem::path data_directory() {
  std::error_code error;
  const auto binary = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    const auto installed = binary.parent_path().parent_path() / "share" / "attojoule" / "data";
    if (std::filesystem::is_directory(installed, error)) return installed;
  }
  const std::filesystem::path source(build_info::source_data_directory);
  if (std::filesystem::is_directory(source, error)) return source;
  throw RunError("shipped data: found neither beside the binary (../share/attojoule/data) nor in " +
                 source.string() + ". Install the program again.");
}

}  // namespace attojoule::data
