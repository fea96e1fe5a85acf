#include "data/external_weights.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/bytes.hpp"
#include "photonics/error.hpp"
#include "tests/data/temporary_folder.hpp"

namespace attojoule::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(ExternalWeights, PiecesOfFilesBesideTheModel) {
  const TemporaryFolder folder;
  const auto model = folder.write("model.onnx", "model");
  folder.write("weights.bin", "0123456789");
  std::filesystem::create_directory(folder.path() / "deep");
  folder.write("deep/more", "abc");
  ExternalWeights weights(model);
  EXPECT_EQ(weights.sha256(), sha256_of_file(model));
  EXPECT_EQ(weights.read("weights.bin", 2, 3), "234");
  EXPECT_EQ(weights.read("weights.bin", 7, std::nullopt), "789");
  EXPECT_EQ(weights.read("weights.bin", 10, std::nullopt), "");
  EXPECT_EQ(weights.read("deep/more", 0, 3), "abc");
  // The whole identity: another weight makes another network.
  const std::string before = weights.sha256();
  EXPECT_NE(before, sha256_of_file(model));
  EXPECT_EQ(before, sha256_of_text(sha256_of_file(model) + "\n" +
                                   sha256_of_file(folder.path() / "deep/more") + "\n" +
                                   sha256_of_file(folder.path() / "weights.bin") + "\n"));
  folder.write("weights.bin", "0123456780");
  EXPECT_NE(weights.sha256(), before);
}

TEST(ExternalWeights, RefusesWithThePlace) {
  const TemporaryFolder folder;
  const auto model = folder.write("model.onnx", "model");
  folder.write("weights.bin", "0123456789");
  ExternalWeights weights(model);
  const auto problem = [&](const std::string& location, std::uint64_t offset,
                           std::optional<std::uint64_t> length) {
    return message_of<DataError>([&] { weights.read(location, offset, length); });
  };
  for (const std::string location : {"", "/etc/hostname", "../weights.bin", "a/../../b"}) {
    EXPECT_THAT(problem(location, 0, 1),
                AllOf(HasSubstr(model.string()), HasSubstr("not a file in the model's directory")))
        << location;
  }
  EXPECT_THAT(problem("none.bin", 0, 1),
              AllOf(HasSubstr(model.string()), HasSubstr("none.bin"), HasSubstr("does not exist")));
  EXPECT_THAT(problem("weights.bin", 8, 3),
              AllOf(HasSubstr("bytes 8 to 11"), HasSubstr("which has 10")));
  EXPECT_THAT(problem("weights.bin", 11, std::nullopt), HasSubstr("which has 10"));
  EXPECT_THAT(problem("weights.bin", 5, ~std::uint64_t{0}), HasSubstr("which has 10"));
}

}  // namespace
}  // namespace attojoule::data
