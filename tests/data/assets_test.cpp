#include "data/assets.hpp"

#include <gmock/gmock.h>

#include <set>

#include "photonics/error.hpp"
#include "tests/data/temporary_folder.hpp"

namespace attojoule::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Assets, TheShippedManifestIsWhole) {
  const auto assets = read_assets();
  EXPECT_GT(assets.size(), 10U);
  std::set<std::string> files;
  for (const Asset& asset : assets) {
    EXPECT_TRUE(files.insert(asset.file.string()).second) << asset.name;
    EXPECT_FALSE(asset.licence.empty()) << asset.name;
    EXPECT_FALSE(asset.description.empty()) << asset.name;
    EXPECT_FALSE(asset.sources.empty()) << asset.name;
  }
}

constexpr const char* one = R"(thing:
  kind: model
  file: models/thing.onnx
  description: a thing
  source: "github:owner/repository@abc pypi:package@1.2 debian:other"
  licence: MIT
  conversion: none
  sha256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
)";

TEST(Assets, Sources) {
  const auto assets = parse_assets(one, "a.yaml");
  ASSERT_EQ(assets.size(), 1U);
  const auto& sources = assets[0].sources;
  ASSERT_EQ(sources.size(), 3U);
  EXPECT_EQ(sources[0].place, "github");
  EXPECT_EQ(sources[0].name, "owner/repository");
  EXPECT_EQ(sources[0].revision, "abc");
  EXPECT_EQ(sources[1].name, "package");
  EXPECT_EQ(sources[1].revision, "1.2");
  EXPECT_EQ(sources[2].name, "other");
  EXPECT_EQ(sources[2].revision, "");
}

TEST(Assets, FilesAreKnownByTheirContents) {
  const TemporaryFolder folder;
  Asset asset = parse_assets(one, "a.yaml")[0];
  EXPECT_EQ(check_asset(asset, folder.path()), AssetState::missing);
  std::filesystem::create_directory(folder.path() / "models");
  folder.write("models/thing.onnx", "abc");
  EXPECT_EQ(check_asset(asset, folder.path()), AssetState::good);
  folder.write("models/thing.onnx", "abd");
  EXPECT_EQ(check_asset(asset, folder.path()), AssetState::different);
  asset.file = folder.write("elsewhere", "abc");
  EXPECT_EQ(check_asset(asset, "/nowhere"), AssetState::good);
}

TEST(Assets, ErrorsHaveTheirPlace) {
  const auto with = [](const std::string& from, const std::string& to) {
    std::string text = one;
    text.replace(text.find(from), from.size(), to);
    return message_of<ConfigError>([&] { parse_assets(text, "a.yaml"); });
  };
  EXPECT_THAT(with("kind: model", "kind: film"),
              StartsWith("a.yaml:2:9: kind \"film\" is unknown"));
  EXPECT_THAT(with("github:", "gitlab:"), StartsWith("a.yaml:5:11: source \"gitlab:"));
  EXPECT_THAT(with("@abc", ""), HasSubstr("is not understood"));
  EXPECT_THAT(with("debian:other", "debian:other@1"), HasSubstr("is not understood"));
  EXPECT_THAT(with("ba78", "xa78"),
              AllOf(StartsWith("a.yaml:8:11: "), HasSubstr("64 hexadecimal")));
  EXPECT_THAT(with("licence:", "license:"), HasSubstr("key \"thing.licence\" is missing"));
  EXPECT_THAT(message_of<ConfigError>([] { parse_assets("thing: 3", "a.yaml"); }),
              HasSubstr("thing is not a section"));
}

}  // namespace
}  // namespace attojoule::data
