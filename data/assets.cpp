#include "data/assets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "data/bytes.hpp"
#include "data/config.hpp"
#include "data/names.hpp"
#include "data/paths.hpp"

namespace attojoule::data {
namespace {

std::vector<AssetSource> read_sources(const ConfigNode& node) {
  std::vector<AssetSource> sources;
  std::istringstream words(node.text());
  for (std::string word; words >> word;) {
    const std::size_t colon = word.find(':');
    const std::size_t at = word.find('@');
    AssetSource source;
    source.place = word.substr(0, colon);
    const bool known =
        source.place == "github" || source.place == "pypi" || source.place == "debian";
    const bool needs_revision = source.place != "debian";
    if (!known || colon == std::string::npos || (at == std::string::npos) == needs_revision) {
      node.fail(fmt::format("source \"{}\" is not understood", shown_text(word)),
                "Write github:OWNER/REPOSITORY@COMMIT, pypi:PACKAGE@VERSION or debian:PACKAGE");
    }
    source.name = word.substr(colon + 1, needs_revision ? at - colon - 1 : std::string::npos);
    if (needs_revision) source.revision = word.substr(at + 1);
    sources.push_back(std::move(source));
  }
  if (sources.empty()) node.fail("source is empty", "Say where the file comes from");
  return sources;
}

Asset read_asset(const std::string& name, const ConfigNode& node) {
  if (!node.is_map()) node.fail(fmt::format("{} is not a section", name), "Give keys below it");
  Asset asset;
  asset.name = name;
  asset.kind = node.text("kind");
  if (asset.kind != "model" && asset.kind != "dataset") {
    node.child("kind").fail(fmt::format("kind \"{}\" is unknown", shown_text(asset.kind)),
                            "Write model or dataset");
  }
  asset.file = node.text("file");
  asset.description = node.text("description");
  asset.sources = read_sources(node.child("source"));
  asset.licence = node.text("licence");
  asset.conversion = node.text("conversion");
  asset.sha256 = node.text("sha256");
  const bool hexadecimal = asset.sha256.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (asset.sha256.size() != 64 || !hexadecimal) {
    node.child("sha256").fail("sha256 is not 64 hexadecimal digits", "Write what sha256sum prints");
  }
  node.finish();
  return asset;
}

std::vector<Asset> read_all(const ConfigNode& root) {
  std::vector<Asset> assets;
  for (const std::string& name : root.keys()) assets.push_back(read_asset(name, root.child(name)));
  return assets;
}

}  // namespace

std::vector<Asset> read_assets() {
  return read_all(ConfigNode::load(data_directory() / "assets.yaml"));
}

std::vector<Asset> parse_assets(const std::string& text, const std::string& place) {
  return read_all(ConfigNode::parse(text, place));
}

AssetState check_asset(const Asset& asset, const std::filesystem::path& directory) {
  // An absolute file stays as it is.
  const std::filesystem::path file = directory / asset.file;
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return AssetState::missing;
  return sha256_of_file(file) == asset.sha256 ? AssetState::good : AssetState::different;
}

}  // namespace attojoule::data
