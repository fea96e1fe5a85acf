// Networks and data sets that are not shipped: the manifest data/assets.yaml.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace attojoule::data {

// Where an asset is public: "github", "pypi" or "debian"; its name there; commit or version.
struct AssetSource {
  std::string place;
  std::string name;
  std::string revision;  // empty for debian
};

struct Asset {
  std::string name;
  std::string kind;            // "model" or "dataset"
  std::filesystem::path file;  // below the data directory; absolute where a package puts it
  std::string description;
  std::vector<AssetSource> sources;
  std::string licence;
  std::string conversion;  // what was done to what is found at the sources; "none"
  std::string sha256;
};

// Of the shipped manifest, in its order.
std::vector<Asset> read_assets();
// From text; `place` names it in errors. Throws ConfigError with file:line:column.
// Test: tests/data/assets_test.cpp.
std::vector<Asset> parse_assets(const std::string& text, const std::string& place);

enum class AssetState { good, missing, different };
// Whether the asset's file in `directory` is the one that the manifest means. Throws DataError
// where it is there but cannot be read.
AssetState check_asset(const Asset& asset, const std::filesystem::path& directory);

}  // namespace attojoule::data
