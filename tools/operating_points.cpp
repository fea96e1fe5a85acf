#include "tools/operating_points.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "data/names.hpp"
#include "photonics/error.hpp"
#include "tools/experiment.hpp"

namespace attojoule::tools {

std::vector<network::ProductOperatingPoint> points_of_products(
    const std::filesystem::path& path, const data::OperatingPointTable& table,
    std::span<const network::MatrixProduct> products, const std::vector<bool>& digital,
    const PointFileUse& use) {
  const std::string file = path.string();
  const std::string model = use.model.string();
  if (!table.model_sha256.empty() && table.model_sha256 != use.model_sha256) {
    throw ConfigError(fmt::format(
        "operating_point.file: {} belongs to another network (sha256 of its model {}..., "
        "of {} {}...). Learn the points of this network, or name that model.",
        file, table.model_sha256.substr(0, 12), model, use.model_sha256.substr(0, 12)));
  }
  const auto require_same = [&](const char* key, const std::string& stored,
                                const std::string& here) {
    if (stored.empty() || here.empty() || stored == here) return;
    throw ConfigError(fmt::format(
        "operating_point.file: {} was learned for {}: {}, and this experiment has {}: {} "
        "(their energies mean different things). Set {}={}.",
        file, key, stored, key, here, key, stored));
  };
  require_same("law", table.law, use.law);
  require_same("encoding", table.encoding, use.encoding);
  std::vector<std::string> known;
  for (const auto& product : products) known.push_back(product.name);
  const auto is_digital = [&](std::size_t i) { return !digital.empty() && digital[i]; };
  std::vector<network::ProductOperatingPoint> points(products.size());
  for (const auto& layer : table.layers) {
    const auto found = std::find(known.begin(), known.end(), layer.name);
    if (found == known.end()) {
      const std::string nearest = data::nearest_name(layer.name, known);
      throw ConfigError(fmt::format(
          "operating_point.file: {}: '{}' is no matrix product of {}{}. Products: {}.", file,
          layer.name, model, nearest.empty() ? "" : fmt::format(" (nearest: '{}')", nearest),
          data::joined_names(known)));
    }
    const auto i = static_cast<std::size_t>(found - known.begin());
    if (is_digital(i)) continue;
    const auto channels = static_cast<std::size_t>(products[i].channels);
    const bool dynamic = products[i].kind == network::ProductKind::dynamic;
    if (layer.points.size() != 1 && (dynamic || layer.points.size() != channels)) {
      throw ConfigError(fmt::format(
          "operating_point.file: {}: {} points for '{}' ({}). Give one, or one for each "
          "output channel.",
          file, layer.points.size(), layer.name,
          dynamic ? "both of its operands are computed: it takes one"
                  : fmt::format("it has {} output channels", channels)));
    }
    points[i] = layer.points;
  }
  for (std::size_t i = 0; i < products.size(); ++i) {
    if (is_digital(i)) {
      points[i] = {photonics::OperatingPoint{1, 1, 1}};  // never used
    } else if (points[i].empty()) {
      throw ConfigError(fmt::format(
          "operating_point.file: {} has no point for '{}' (every product that is not "
          "digital needs one). Add it, or keep the layer digital: digital_layers: [{}].",
          file, known[i], known[i]));
    }
  }
  return points;
}

DeviceAssignments split_assignments(const std::vector<std::string>& assignments,
                                    const std::string& instead) {
  constexpr std::string_view section = "operating_point";
  DeviceAssignments split;
  for (const std::string& assignment : assignments) {
    const std::string key = assignment.substr(0, assignment.find('='));
    if (key == "digital_layers") {
      data::ConfigNode root;
      root.set(assignment);
      split.digital_layers.clear();
      for (const data::ConfigNode& item : root.child(key).items()) {
        split.digital_layers.push_back(item.text());
      }
      continue;
    }
    if (key != section && !key.starts_with(std::string(section) + ".")) {
      split.device.push_back(assignment);
      continue;
    }
    data::ConfigNode root;
    root.set(assignment);
    const data::ConfigNode node = root.child("operating_point");
    if (key != "operating_point.file") {
      node.fail(fmt::format("{}: not taken by --set here", key),
                fmt::format("Set operating_point.file=FILE, or use {}", instead));
    }
    split.point_file = node.text("file");
  }
  return split;
}

photonics::Law law_of(const std::filesystem::path& file, const data::OperatingPointTable& table) {
  using enum photonics::Law;
  if (table.law.empty()) return homodyne;
  std::string known;
  for (const auto law : {homodyne, counting, garg_shot, garg_thermal, garg_weight}) {
    if (table.law == to_string(law)) return law;
    known += (known.empty() ? "" : ", ") + std::string(to_string(law));
  }
  throw ConfigError(fmt::format("operating_point.file: {}: law '{}' is unknown. Known: {}.",
                                file.string(), table.law, known));
}

}  // namespace attojoule::tools
