#include "data/paths.hpp"

#include <gmock/gmock.h>

namespace attojoule::data {
namespace {

// The test program is not installed: it finds the folder of the source tree.
TEST(Paths, DataDirectoryHoldsTheShippedFiles) {
  const std::filesystem::path folder = data_directory();
  EXPECT_TRUE(
      std::filesystem::equivalent(folder, std::filesystem::path(ATTOJOULE_SOURCE_DIR) / "data"));
  for (const char* file : {"devices/ideal-shot-noise.yaml", "experiments/fashion_cnn.yaml",
                           "models/fashion_cnn.onnx"}) {
    EXPECT_TRUE(std::filesystem::is_regular_file(folder / file)) << file;
  }
}

}  // namespace
}  // namespace attojoule::data
