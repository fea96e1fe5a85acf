// Measurements in HDF5: one-dimensional data sets of numbers with attribute `units`.
#include <fmt/format.h>
#include <hdf5_hl.h>

#include <cmath>
#include <map>

#include "data/hdf5.hpp"
#include "data/lab_text.hpp"
#include "data/lab_units.hpp"
#include "data/names.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

constexpr hsize_t largest_column = hsize_t{1} << 28;

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& problem,
                       const std::string& remedy) {
  throw DataError(fmt::format("{}: {}; {}", file.string(), problem, remedy));
}

std::string text_of(hid_t attribute) {
  const Hdf5Handle type(H5Aget_type(attribute), H5Tclose);
  const Hdf5Handle space(H5Aget_space(attribute), H5Sclose);
  if (H5Sget_simple_extent_npoints(space.get()) != 1) return "";
  const H5T_class_t kind = H5Tget_class(type.get());
  if (kind == H5T_FLOAT || kind == H5T_INTEGER) {
    double value = 0;
    return H5Aread(attribute, H5T_NATIVE_DOUBLE, &value) < 0 ? "" : fmt::format("{}", value);
  }
  if (kind != H5T_STRING) return "";
  if (H5Tis_variable_str(type.get()) > 0) {
    char* text = nullptr;
    if (H5Aread(attribute, type.get(), &text) < 0 || text == nullptr) return "";
    std::string result(text);
    H5free_memory(text);
    return result;
  }
  const std::size_t size = H5Tget_size(type.get());
  if (size > 65536) return "";
  std::string result(size, '\0');
  if (H5Aread(attribute, type.get(), result.data()) < 0) return "";
  return result.c_str();
}

std::map<std::string, std::string> attributes_of(hid_t object) {
  std::map<std::string, std::string> result;
  H5Aiterate2(
      object, H5_INDEX_NAME, H5_ITER_INC, nullptr,
      [](hid_t where, const char* name, const H5A_info_t*, void* client) -> herr_t {
        const Hdf5Handle attribute(H5Aopen(where, name, H5P_DEFAULT), H5Aclose);
        const std::string text = attribute ? text_of(attribute.get()) : std::string();
        // Reserved names describe the storage (dimension scales), not the measurement.
        const std::string_view key = name;
        const bool storage = key == "CLASS" || key == "NAME" || key == "DIMENSION_LIST" ||
                             key == "REFERENCE_LIST" || key == "_Netcdf4Dimid";
        if (!text.empty() && !storage) {
          static_cast<std::map<std::string, std::string>*>(client)->emplace(name, text);
        }
        return 0;
      },
      &result);
  return result;
}

struct Found {
  std::string group, name;
  hsize_t length = 0;
};

// The one-dimensional data sets of numbers whose values lie in this file.
std::vector<Found> numeric_columns(hid_t file) {
  std::vector<Found> found;
  H5Ovisit2(
      file, H5_INDEX_NAME, H5_ITER_INC,
      [](hid_t root, const char* name, const H5O_info_t* info, void* client) -> herr_t {
        if (info->type != H5O_TYPE_DATASET) return 0;
        const Hdf5Handle set(H5Dopen2(root, name, H5P_DEFAULT), H5Dclose);
        if (!set) return 0;
        const Hdf5Handle space(H5Dget_space(set.get()), H5Sclose);
        const Hdf5Handle type(H5Dget_type(set.get()), H5Tclose);
        const Hdf5Handle properties(H5Dget_create_plist(set.get()), H5Pclose);
        const H5T_class_t kind = H5Tget_class(type.get());
        if (H5Sget_simple_extent_ndims(space.get()) != 1) return 0;
        if (kind != H5T_FLOAT && kind != H5T_INTEGER) return 0;
        if (H5Pget_layout(properties.get()) == H5D_VIRTUAL ||
            H5Pget_external_count(properties.get()) > 0) {
          return 0;
        }
        hsize_t extent = 0;
        H5Sget_simple_extent_dims(space.get(), &extent, nullptr);
        const std::string path = name;
        const std::size_t slash = path.rfind('/');
        static_cast<std::vector<Found>*>(client)->push_back(
            {slash == std::string::npos ? "" : path.substr(0, slash),
             slash == std::string::npos ? path : path.substr(slash + 1), extent});
        return 0;
      },
      &found, H5O_INFO_BASIC);
  return found;
}

}  // namespace

void read_lab_hdf5(const std::filesystem::path& path, const std::string& group, LabTable& table) {
  const auto lock = hdf5_lock();
  table.format = "hdf5";
  const Hdf5Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!file) {
    fail(path, fmt::format("the HDF5 file cannot be opened ({})", hdf5_error()),
         "check that it was copied whole");
  }
  const std::vector<Found> all = numeric_columns(file.get());
  std::string wanted = group;
  while (!wanted.empty() && wanted.front() == '/') wanted.erase(0, 1);
  while (!wanted.empty() && wanted.back() == '/') wanted.pop_back();
  std::vector<std::string> groups;
  for (const Found& entry : all) {
    const std::string name = "/" + entry.group;
    if (groups.empty() || groups.back() != name) groups.push_back(name);
  }
  if (group.empty() && !groups.empty() && groups.front() != "/") {
    if (groups.size() > 1) {
      fail(path, fmt::format("columns lie in several groups ({})", joined_names(groups)),
           "choose one with --group");
    }
    wanted = groups.front().substr(1);
  }
  std::vector<Found> columns;
  for (const Found& entry : all) {
    if (entry.group == wanted) columns.push_back(entry);
  }
  if (columns.empty()) {
    fail(path,
         fmt::format("no one-dimensional data set of numbers in /{} (groups that have some: {})",
                     shown_text(wanted), joined_names(groups)),
         "store every column as one, with an attribute `units`");
  }
  const hsize_t length = columns.front().length;
  for (const Found& entry : columns) {
    if (entry.length != length) {
      fail(path,
           fmt::format("/{}{}{} has {} values, {} has {}", entry.group,
                       entry.group.empty() ? "" : "/", entry.name, entry.length,
                       columns.front().name, length),
           "store columns of one length, or choose another group with --group");
    }
  }
  if (length == 0) fail(path, "the columns are empty", "give a file with data");
  if (length > largest_column) {
    fail(path, fmt::format("{} values in a column (at most {})", length, largest_column),
         "cut the measurement");
  }
  const Hdf5Handle where(H5Oopen(file.get(), ("/" + wanted).c_str(), H5P_DEFAULT), H5Oclose);
  for (const auto& [name, value] : attributes_of(where.get())) {
    add_setting(table.settings, name, value);
  }
  for (const Found& entry : columns) {
    const std::string full = "/" + (wanted.empty() ? "" : wanted + "/") + entry.name;
    const Hdf5Handle set(H5Dopen2(file.get(), full.c_str(), H5P_DEFAULT), H5Dclose);
    LabColumn column;
    column.name = entry.name;
    column.values.resize(length);
    if (!set || H5Dread(set.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                        column.values.data()) < 0) {
      fail(path, fmt::format("{} cannot be read ({})", full, hdf5_error()),
           "check that the file was copied whole");
    }
    for (std::size_t i = 0; i < column.values.size(); ++i) {
      if (!std::isfinite(column.values[i])) {
        fail(path, fmt::format("{}[{}] is not finite", full, i), "correct or delete the row");
      }
    }
    column.settings = attributes_of(set.get());
    for (const char* key : {"units", "unit"}) {
      const auto at = column.settings.find(key);
      if (at == column.settings.end()) continue;
      if (column.unit.empty()) column.unit = at->second;
      column.settings.erase(at);
    }
    if (!parse_lab_unit(column.unit)) {
      fail(path, fmt::format("{} has an unknown unit \"{}\"", full, shown_text(column.unit)),
           "write an SI unit, or dBm, dBm/Hz, DN, e-, photon, as attribute `units`");
    }
    table.columns.push_back(std::move(column));
  }
}

void write_lab_hdf5(const LabTable& table, const std::filesystem::path& path) {
  const auto lock = hdf5_lock();
  std::filesystem::path temporary = path;
  temporary += ".part";
  const auto refuse = [&](const std::string& what) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw RunError(
        fmt::format("{}: {} ({}). Give another --out.", path.string(), what, hdf5_error()));
  };
  {
    const Hdf5Handle file(H5Fcreate(temporary.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
                          H5Fclose);
    if (!file) refuse("cannot be written");
    const auto set_text = [&](hid_t object, const std::string& name, const std::string& value) {
      // HDF5 has no empty strings of fixed length.
      if (value.empty()) return;
      if (H5LTset_attribute_string(object, ".", name.c_str(), value.c_str()) < 0) {
        refuse(fmt::format("attribute \"{}\" cannot be written", name));
      }
    };
    for (const auto& [name, value] : table.settings) {
      std::string key = name;
      for (char& c : key) c = c == '/' ? '_' : c;
      set_text(file.get(), key, value);
    }
    set_text(file.get(), "converted from",
             fmt::format("{} ({})", table.file.filename().string(), table.format));
    set_text(file.get(), "sha256 of the source", table.sha256);
    for (const auto& column : table.columns) {
      std::string name = column.name;
      for (char& c : name) c = c == '/' ? '_' : c;
      const hsize_t extent = column.values.size();
      const Hdf5Handle space(H5Screate_simple(1, &extent, nullptr), H5Sclose);
      const Hdf5Handle set(H5Dcreate2(file.get(), name.c_str(), H5T_IEEE_F64LE, space.get(),
                                      H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                           H5Dclose);
      if (!set || H5Dwrite(set.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                           column.values.data()) < 0) {
        refuse(fmt::format("column \"{}\" cannot be written", column.name));
      }
      set_text(set.get(), "units", column.unit.empty() ? "1" : column.unit);
      set_text(set.get(), "long_name", column.name);
      for (const auto& [key, value] : column.settings) set_text(set.get(), key, value);
    }
  }
  std::error_code problem;
  std::filesystem::rename(temporary, path, problem);
  if (problem) refuse("cannot be replaced");
}

}  // namespace attojoule::data
