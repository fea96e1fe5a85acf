#include "data/operating_point_file.hpp"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "data/config.hpp"
#include "data/hdf5.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& problem,
                         const std::string& remedy) {
  throw DataError(fmt::format("{}: {}. {}.", file.string(), problem, remedy));
}

// One-dimensional data sets of the group /learn.
class LearnGroup {
 public:
  explicit LearnGroup(const std::filesystem::path& path)
      : path_(path), file_(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose) {
    if (!file_) refuse(path, fmt::format("cannot be read ({})", hdf5_error()), "Check the file");
    if (H5Lexists(file_.get(), "/learn", H5P_DEFAULT) <= 0) {
      refuse(path, "no operating points (it has no group /learn)",
             "Give the result of `attojoule learn`, or a YAML file of layers");
    }
  }

  std::vector<double> numbers(const std::string& name) const {
    const Hdf5Handle set = open(name);
    std::vector<double> values(length(set, name));
    const Hdf5Handle type(H5Dget_type(set.get()), H5Tclose);
    const H5T_class_t kind = H5Tget_class(type.get());
    if ((kind != H5T_FLOAT && kind != H5T_INTEGER) ||
        (!values.empty() &&
         H5Dread(set.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0)) {
      refuse(path_, fmt::format("/learn/{} cannot be read as numbers", name), "Write it anew");
    }
    return values;
  }

  std::vector<std::string> texts(const std::string& name) const {
    const Hdf5Handle set = open(name);
    const std::size_t count = length(set, name);
    const Hdf5Handle type(H5Dget_type(set.get()), H5Tclose);
    if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) <= 0) {
      refuse(path_, fmt::format("/learn/{} is no list of names", name), "Write it anew");
    }
    std::vector<char*> raw(count, nullptr);
    if (count > 0 &&
        H5Dread(set.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, raw.data()) < 0) {
      refuse(path_, fmt::format("/learn/{} cannot be read ({})", name, hdf5_error()),
             "Write it anew");
    }
    std::vector<std::string> values;
    for (char* text : raw) {
      values.emplace_back(text == nullptr ? "" : text);
      H5free_memory(text);
    }
    return values;
  }

  bool has(const std::string& name) const {
    return H5Lexists(file_.get(), "/learn/layers", H5P_DEFAULT) > 0 &&
           H5Lexists(file_.get(), ("/learn/" + name).c_str(), H5P_DEFAULT) > 0;
  }

  std::string attribute(const char* name) const {
    const Hdf5Handle group(H5Oopen(file_.get(), "/learn", H5P_DEFAULT), H5Oclose);
    if (H5Aexists(group.get(), name) <= 0) return "";
    const Hdf5Handle attribute(H5Aopen(group.get(), name, H5P_DEFAULT), H5Aclose);
    const Hdf5Handle type(H5Aget_type(attribute.get()), H5Tclose);
    if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) <= 0) return "";
    char* text = nullptr;
    if (H5Aread(attribute.get(), type.get(), &text) < 0 || text == nullptr) return "";
    std::string value(text);
    H5free_memory(text);
    return value;
  }

 private:
  Hdf5Handle open(const std::string& name) const {
    const std::string path = "/learn/" + name;
    Hdf5Handle set(H5Dopen2(file_.get(), path.c_str(), H5P_DEFAULT), H5Dclose);
    if (!set) refuse(path_, fmt::format("no data set {}", path), "Give the result of `learn`");
    return set;
  }
  std::size_t length(const Hdf5Handle& set, const std::string& name) const {
    const Hdf5Handle space(H5Dget_space(set.get()), H5Sclose);
    constexpr hsize_t most = 1 << 26;
    hsize_t extent = 0;
    if (H5Sget_simple_extent_ndims(space.get()) == 1) {
      H5Sget_simple_extent_dims(space.get(), &extent, nullptr);
    } else {
      extent = most + 1;
    }
    if (extent > most) {
      refuse(path_, fmt::format("/learn/{} is no list of at most {} entries", name, most),
             "Write it anew");
    }
    return static_cast<std::size_t>(extent);
  }

  std::filesystem::path path_;
  Hdf5Handle file_;
};

// Whether a number can be the multiplications of an output.
bool is_length(double value) {
  constexpr double most = 1e15;
  return value >= 1 && value <= most && value == std::floor(value);
}

// What is wrong with a point, or nothing.
std::string problem_of(const photonics::OperatingPoint& point) {
  if (!(point.photons_per_mac > 0) || !std::isfinite(point.photons_per_mac)) {
    return fmt::format("photons_per_mac: {} is not a positive number", point.photons_per_mac);
  }
  const auto whole = [](double value) {
    return value >= 1 && std::isfinite(value) && value == std::floor(value);
  };
  if (!whole(point.repetitions)) {
    return fmt::format("repetitions: {} is not a whole number of at least 1", point.repetitions);
  }
  if (!whole(point.integrations)) {
    return fmt::format("integrations: {} is not a whole number of at least 1", point.integrations);
  }
  return "";
}

OperatingPointTable read_hdf5(const std::filesystem::path& file) {
  const auto lock = hdf5_lock();
  const LearnGroup group(file);
  OperatingPointTable table;
  table.model_sha256 = group.attribute("model_sha256");
  table.law = group.attribute("law");
  table.encoding = group.attribute("encoding");
  for (std::string& name : group.texts("layers/name"))
    table.layers.push_back({std::move(name), {}, 0});
  if (group.has("layers/dot_length")) {
    const auto lengths = group.numbers("layers/dot_length");
    if (lengths.size() != table.layers.size()) {
      refuse(file, "/learn/layers/dot_length differs in length from /learn/layers/name",
             "Write it anew");
    }
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      if (!is_length(lengths[i])) {
        refuse(
            file,
            fmt::format("/learn/layers/dot_length, entry {}: {} is no dot length", i, lengths[i]),
            "Write it anew");
      }
      table.layers[i].dot_length = static_cast<std::int64_t>(lengths[i]);
    }
  }
  const auto layer = group.numbers("point/layer");
  const auto channel = group.numbers("point/channel");
  const auto photons = group.numbers("point/photons_per_mac");
  const auto repetitions = group.numbers("point/repetitions");
  const auto integrations = group.numbers("point/integrations");
  for (const auto* column : {&channel, &photons, &repetitions, &integrations}) {
    if (column->size() != layer.size()) {
      refuse(file, "data sets of /learn/point differ in length", "Write it anew");
    }
  }
  for (std::size_t i = 0; i < layer.size(); ++i) {
    const auto fail = [&](const std::string& problem) {
      refuse(file, fmt::format("/learn/point, entry {}: {}", i, problem), "Write it anew");
    };
    if (!(layer[i] >= 0 && layer[i] < static_cast<double>(table.layers.size()))) {
      fail(fmt::format("layer {} does not exist", layer[i]));
    }
    LayerPoints& points = table.layers[static_cast<std::size_t>(layer[i])];
    const double expected = static_cast<double>(points.points.size());
    if (channel[i] != expected && !(channel[i] == -1 && points.points.empty())) {
      fail(fmt::format("channel {} of '{}' (channels stand in order from 0, -1 alone)", channel[i],
                       points.name));
    }
    const photonics::OperatingPoint point{photons[i], repetitions[i], integrations[i]};
    if (const std::string problem = problem_of(point); !problem.empty()) fail(problem);
    points.points.push_back(point);
  }
  return table;
}

// A number, or a list of them.
std::vector<double> values_of(const ConfigNode& node) {
  std::vector<double> values;
  if (!node.is_sequence()) return {node.number(Dimension::none)};
  for (const ConfigNode& item : node.items()) values.push_back(item.number(Dimension::none));
  if (values.empty()) node.fail("an empty list", "Give a number, or one for each channel");
  return values;
}

OperatingPointTable read_yaml(const std::filesystem::path& file) {
  const ConfigNode root = ConfigNode::load(file);
  OperatingPointTable table;
  table.model_sha256 = root.text_or("model_sha256", "");
  table.law = root.text_or("law", "");
  table.encoding = root.text_or("encoding", "");
  std::set<std::string> seen;
  for (const ConfigNode& item : root.child("layers").items()) {
    LayerPoints layer;
    layer.name = item.text("name");
    if (!seen.insert(layer.name).second) {
      item.fail(fmt::format("'{}' stands here a second time", layer.name), "Name a layer once");
    }
    const auto photons = values_of(item.child("photons_per_mac"));
    layer.dot_length = item.integer_or("dot_length", 0);
    if (item.has("dot_length") && !is_length(static_cast<double>(layer.dot_length))) {
      item.child("dot_length")
          .fail(fmt::format("dot_length: {} is below 1", layer.dot_length),
                "Give the multiplications of one output, or leave it out");
    }
    const auto column = [&](const char* key) {
      std::vector<double> values{1};
      if (item.has(key)) values = values_of(item.child(key));
      if (values.size() != 1 && values.size() != photons.size()) {
        item.child(key).fail(fmt::format("{}: {} values for {} of photons_per_mac", key,
                                         values.size(), photons.size()),
                             "Give one, or one for each");
      }
      values.resize(photons.size(), values[0]);
      return values;
    };
    const auto repetitions = column("repetitions");
    const auto integrations = column("integrations");
    for (std::size_t c = 0; c < photons.size(); ++c) {
      layer.points.push_back({photons[c], repetitions[c], integrations[c]});
      const std::string problem = problem_of(layer.points.back());
      if (!problem.empty()) item.fail(problem, "Correct it");
    }
    item.finish();
    table.layers.push_back(std::move(layer));
  }
  root.finish();
  return table;
}

}  // namespace

OperatingPointTable read_operating_points(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) {
    refuse(file, "no such file", "Name the result of `attojoule learn`, or a YAML file of layers");
  }
  bool hdf5 = false;
  {
    const auto lock = hdf5_lock();
    hdf5 = H5Fis_hdf5(file.c_str()) > 0;
  }
  OperatingPointTable table = hdf5 ? read_hdf5(file) : read_yaml(file);
  if (table.layers.empty()) refuse(file, "no layers in it", "Give a point for every layer");
  return table;
}

void write_operating_points(ResultWriter& writer, const OperatingPointTable& table) {
  std::vector<std::string> names;
  std::vector<double> index, photons, repetitions, integrations;
  std::vector<std::int64_t> layer, channel, lengths;
  for (std::size_t i = 0; i < table.layers.size(); ++i) {
    const auto& points = table.layers[i].points;
    names.push_back(table.layers[i].name);
    if (table.layers[i].dot_length > 0) lengths.push_back(table.layers[i].dot_length);
    for (std::size_t c = 0; c < points.size(); ++c) {
      index.push_back(static_cast<double>(index.size()));
      layer.push_back(static_cast<std::int64_t>(i));
      channel.push_back(points.size() == 1 ? -1 : static_cast<std::int64_t>(c));
      photons.push_back(points[c].photons_per_mac);
      repetitions.push_back(points[c].repetitions);
      integrations.push_back(points[c].integrations);
    }
  }
  const AxisPaths by_point{"/learn/point/index"};
  writer.axis("/learn/layers/name", names, "node of the network");
  writer.axis("/learn/point/index", index, "1", "operating point");
  if (lengths.size() == names.size()) {
    writer.write("/learn/layers/dot_length", lengths, {"/learn/layers/name"}, "1",
                 "multiplications of one output");
  }
  writer.write("/learn/point/layer", layer, by_point, "1", "index into /learn/layers/name");
  writer.write("/learn/point/channel", channel, by_point, "1", "output channel, -1 = all");
  writer.write("/learn/point/photons_per_mac", photons, by_point, "photon/MAC",
               "photons per multiplication of one repetition");
  writer.write("/learn/point/repetitions", repetitions, by_point, "1", "repetitions averaged");
  writer.write("/learn/point/integrations", integrations, by_point, "1",
               "lengthening of the integration time");
  writer.attribute("/learn", "model_sha256", table.model_sha256);
  writer.attribute("/learn", "law", table.law);
  writer.attribute("/learn", "encoding", table.encoding);
}

}  // namespace attojoule::data
