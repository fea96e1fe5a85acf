// attojoule data: the networks and data sets that are not shipped.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "data/assets.hpp"
#include "data/names.hpp"
#include "photonics/error.hpp"
#include "tools/verbs.hpp"

namespace attojoule::tools {
namespace {

using data::Asset;
using data::AssetSource;
using data::AssetState;

constexpr int exit_ok = 0;
constexpr int exit_data = 3;

std::string to_text(const AssetSource& source) {
  return source.place + ":" + source.name + (source.revision.empty() ? "" : "@" + source.revision);
}

std::string to_text(const std::vector<AssetSource>& sources) {
  std::string text;
  for (const AssetSource& source : sources) text += (text.empty() ? "" : " ") + to_text(source);
  return text;
}

int list(bool json, const Streams& streams) {
  const auto assets = data::read_assets();
  if (json) {
    auto all = nlohmann::ordered_json::array();
    for (const Asset& asset : assets) {
      all.push_back({{"name", asset.name},
                     {"kind", asset.kind},
                     {"file", asset.file.string()},
                     {"description", asset.description},
                     {"source", to_text(asset.sources)},
                     {"licence", asset.licence},
                     {"conversion", asset.conversion},
                     {"sha256", asset.sha256}});
    }
    streams.out << all.dump(2) << "\n";
    return exit_ok;
  }
  std::size_t name_width = 0;
  std::size_t licence_width = 0;
  for (const Asset& asset : assets) {
    name_width = std::max(name_width, asset.name.size());
    licence_width = std::max(licence_width, asset.licence.size());
  }
  for (const Asset& asset : assets) {
    streams.out << fmt::format("{:{}}  {:7}  {:{}}  {}\n", asset.name, name_width, asset.kind,
                               asset.licence, licence_width, asset.description);
  }
  return exit_ok;
}

std::vector<Asset> chosen_assets(const std::vector<std::string>& names) {
  const auto assets = data::read_assets();
  if (names.empty()) return assets;
  std::vector<Asset> chosen;
  for (const std::string& name : names) {
    const auto found = std::find_if(assets.begin(), assets.end(),
                                    [&](const Asset& asset) { return asset.name == name; });
    if (found == assets.end()) {
      std::vector<std::string> known;
      for (const Asset& asset : assets) known.push_back(asset.name);
      const std::string nearest = data::nearest_name(name, known);
      throw ConfigError(fmt::format("data: '{}' is unknown{}. `attojoule data list` names all.",
                                    name,
                                    nearest.empty() ? "" : fmt::format(" (nearest: {})", nearest)));
    }
    chosen.push_back(*found);
  }
  return chosen;
}

std::filesystem::path directory_of(const std::string& given) {
  if (!given.empty()) return given;
  const char* from_environment = std::getenv("ATTOJOULE_DATA");
  if (from_environment != nullptr && *from_environment != '\0') return from_environment;
  throw ConfigError("data verify: no directory. Give it with --dir, or in ATTOJOULE_DATA.");
}

int verify(const std::string& directory, const std::vector<std::string>& names,
           const Streams& streams) {
  const std::filesystem::path folder = directory_of(directory);
  int bad = 0;
  for (const Asset& asset : chosen_assets(names)) {
    const AssetState state = data::check_asset(asset, folder);
    const char* text = state == AssetState::good      ? "good"
                       : state == AssetState::missing ? "missing"
                                                      : "DIFFERENT";
    // An absolute file stays as it is.
    streams.out << fmt::format("{:9}  {}\n", text, (folder / asset.file).string());
    if (state != AssetState::good) ++bad;
  }
  if (bad == 0) return exit_ok;
  streams.err << fmt::format(
      "attojoule: {} file{} missing or not the one that the manifest means. "
      "`attojoule data fetch NAME` says where they come from.\n",
      bad, bad == 1 ? " is" : "s are");
  return exit_data;
}

int fetch(const std::string& name, const Streams& streams) {
  const Asset asset = chosen_assets({name})[0];
  streams.out << fmt::format("{}: {}\nlicence     {}\n\n", asset.name, asset.description,
                             asset.licence);
  for (const AssetSource& source : asset.sources) {
    if (source.place == "debian") {
      streams.out << fmt::format("  apt-get install {}\n", source.name);
    } else if (source.place == "pypi") {
      streams.out << fmt::format("  pip download --no-deps {}=={}\n", source.name, source.revision);
    } else {
      const std::string folder = source.name.substr(source.name.find('/') + 1);
      streams.out << fmt::format("  git clone https://github.com/{} && git -C {} checkout {}\n",
                                 source.name, folder, source.revision);
    }
  }
  if (asset.conversion == "none") {
    streams.out << fmt::format("\nfile        {}\nsha256      {}\n", asset.file.string(),
                               asset.sha256);
    return exit_ok;
  }
  streams.out << fmt::format(
      "\nthen        {}\nfile        {} in the data directory\nsha256      {}\n\n"
      "The conversion is yours to do: its script is not part of this program, and a file of your "
      "own\n"
      "will hardly have this sha256, which identifies the one that the project's figures come "
      "from.\n",
      asset.conversion, asset.file.string(), asset.sha256);
  return exit_ok;
}

}  // namespace

Verb data_verb() {
  Verb verb;
  verb.name = "data";
  verb.summary = "Networks and data sets that are not shipped: what, from where, and are they here";
  verb.description =
      "list names them with kind, licence and contents. verify compares the files below a "
      "directory\n"
      "with the manifest by their sha256. fetch NAME prints the public source of one, the command "
      "that\n"
      "gets it, and what has to be done to it. It downloads nothing: most sources need a "
      "conversion\n"
      "that is not part of this program.";
  verb.examples = {"attojoule data list", "attojoule data fetch resnet20_cifar10"};
  verb.define = [](CLI::App& app) {
    struct Options {
      bool json = false;
      std::string directory, name;
      std::vector<std::string> names;
    };
    auto options = std::make_shared<Options>();
    app.require_subcommand(1);
    CLI::App* list_command = app.add_subcommand("list", "All of them");
    list_command->add_flag("--json", options->json, "One JSON array instead of a table");
    CLI::App* verify_command = app.add_subcommand("verify", "Compares files with the manifest");
    verify_command->add_option("--dir", options->directory,
                               "Data directory; default: environment variable ATTOJOULE_DATA");
    verify_command->add_option("name", options->names, "Only these");
    CLI::App* fetch_command =
        app.add_subcommand("fetch", "Says how to get one (downloads nothing)");
    fetch_command->add_option("name", options->name, "Which one")->required();
    return [=](const Streams& streams) {
      if (list_command->parsed()) return list(options->json, streams);
      if (verify_command->parsed()) return verify(options->directory, options->names, streams);
      return fetch(options->name, streams);
    };
  };
  return verb;
}

}  // namespace attojoule::tools
