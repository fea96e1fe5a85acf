#include "data/result_file.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <hdf5_hl.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <map>

#include "data/hdf5.hpp"
#include "data/version.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

Hdf5Handle utf8_type() {
  Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), H5T_VARIABLE);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

// Both return whether it was written.
bool write_attribute(hid_t object, const std::string& name, const std::string& value) {
  const Hdf5Handle type = utf8_type();
  const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  const Hdf5Handle attribute(
      H5Acreate2(object, name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
      H5Aclose);
  const char* text = value.c_str();
  return attribute && H5Awrite(attribute.get(), type.get(), &text) >= 0;
}

bool write_attribute(hid_t object, const std::string& name, std::uint64_t value) {
  const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  const Hdf5Handle attribute(
      H5Acreate2(object, name.c_str(), H5T_STD_U64LE, space.get(), H5P_DEFAULT, H5P_DEFAULT),
      H5Aclose);
  return attribute && H5Awrite(attribute.get(), H5T_NATIVE_UINT64, &value) >= 0;
}

std::string utc_now() {
  return fmt::format(
      "{:%Y-%m-%dT%H:%M:%SZ}",
      fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

}  // namespace

struct ResultWriter::State {
  std::filesystem::path target;
  std::filesystem::path temporary;
  Hdf5Handle file;
  std::map<std::string, hsize_t> axes;  // path -> length
  bool committed = false;

  ~State() {
    file.reset();
    std::error_code ignored;
    if (!committed) std::filesystem::remove(temporary, ignored);
  }

  [[noreturn]] void fail(const std::string& path, const std::string& attribute = "") const {
    throw RunError(fmt::format(
        "{}: {}'{}' cannot be written ({}). Check the disk's free space.", target.string(),
        attribute.empty() ? "" : fmt::format("attribute '{}' of ", attribute), path, hdf5_error()));
  }

  template <class Value>
  void set_attribute(hid_t object, const std::string& path, const std::string& name,
                     const Value& value) {
    if (!write_attribute(object, name, value)) fail(path, name);
  }

  Hdf5Handle create(const std::string& path, hid_t type, const std::vector<hsize_t>& extents) {
    const Hdf5Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
    H5Pset_create_intermediate_group(links.get(), 1);
    const Hdf5Handle space(extents.empty() ? H5Screate(H5S_SCALAR)
                                           : H5Screate_simple(static_cast<int>(extents.size()),
                                                              extents.data(), nullptr),
                           H5Sclose);
    const Hdf5Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    hsize_t count = extents.empty() ? 0 : 1;
    for (const hsize_t extent : extents) count *= extent;
    constexpr hsize_t worth_compressing = 4096;
    if (count >= worth_compressing) {
      std::vector<hsize_t> chunk = extents;
      chunk[0] = std::max<hsize_t>(1, std::min<hsize_t>(chunk[0], 65536 / (count / chunk[0])));
      H5Pset_chunk(properties.get(), static_cast<int>(chunk.size()), chunk.data());
      H5Pset_deflate(properties.get(), 4);
    }
    Hdf5Handle set(H5Dcreate2(file.get(), path.c_str(), type, space.get(), links.get(),
                              properties.get(), H5P_DEFAULT),
                   H5Dclose);
    if (!set) fail(path);
    return set;
  }

  void describe(const Hdf5Handle& set, const std::string& path, const std::string& units,
                const std::string& long_name) {
    set_attribute(set.get(), path, "units", units);
    set_attribute(set.get(), path, "long_name", long_name);
  }

  void write_values(const std::string& path, const void* values, std::size_t count, hid_t stored,
                    hid_t memory, const AxisPaths& axis_paths, const std::string& units,
                    const std::string& long_name) {
    const auto lock = hdf5_lock();
    std::vector<hsize_t> extents;
    hsize_t wanted = 1;
    for (const auto& axis : axis_paths) {
      const auto found = axes.find(axis);
      if (found == axes.end()) {
        throw RunError(fmt::format("{}: '{}' refers to axis '{}', which was not written before.",
                                   target.string(), path, axis));
      }
      extents.push_back(found->second);
      wanted *= found->second;
    }
    if (wanted != count) {
      throw RunError(fmt::format("{}: '{}' has {} values for axes of {}.", target.string(), path,
                                 count, wanted));
    }
    const Hdf5Handle set = create(path, stored, extents);
    if (count > 0 && H5Dwrite(set.get(), memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
      fail(path);
    }
    describe(set, path, units, long_name);
    for (std::size_t i = 0; i < axis_paths.size(); ++i) {
      const Hdf5Handle scale(H5Dopen2(file.get(), axis_paths[i].c_str(), H5P_DEFAULT), H5Dclose);
      if (H5DSattach_scale(set.get(), scale.get(), static_cast<unsigned>(i)) < 0) fail(path);
    }
  }

  void write_axis(const std::string& path, const void* values, std::size_t count, hid_t stored,
                  hid_t memory, const std::string& units, const std::string& long_name) {
    const auto lock = hdf5_lock();
    const Hdf5Handle set = create(path, stored, {count});
    if (count > 0 && H5Dwrite(set.get(), memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
      fail(path);
    }
    describe(set, path, units, long_name);
    const std::string name = path.substr(path.rfind('/') + 1);
    if (H5DSset_scale(set.get(), name.c_str()) < 0) fail(path);
    axes[path] = count;
  }
};

ResultWriter::ResultWriter(std::filesystem::path target, const Provenance& provenance)
    : state_(std::make_unique<State>()) {
  const auto lock = hdf5_lock();
  State& s = *state_;
  s.target = std::move(target);
  s.temporary = s.target;
  s.temporary += fmt::format(".{}.part", getpid());
  std::error_code error;
  if (std::filesystem::is_directory(s.target, error)) {
    throw RunError(fmt::format("{}: cannot be written (it is a directory). Name a file in it.",
                               s.target.string()));
  }
  s.file = {H5Fcreate(s.temporary.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose};
  if (!s.file) {
    throw RunError(
        fmt::format("{}: cannot be written ({}). Check that the folder exists and may be "
                    "written to.",
                    s.target.string(), hdf5_error()));
  }
  const auto set = [&s](const std::string& name, const auto& value) {
    s.set_attribute(s.file.get(), "/", name, value);
  };
  set("format", std::string(result_format));
  set("format_version", std::uint64_t{result_format_version});
  set("program_version", std::string(program_version()));
  set("git_sha", std::string(git_sha()));
  set("command_line", provenance.command_line);
  set("created_utc", utc_now());
  set("seed", provenance.seed);
  set("rng_contract", provenance.rng_contract);
  set("config", provenance.config);
  set("model_sha256", provenance.model_sha256);
  set("dataset_sha256", provenance.dataset_sha256);
}

ResultWriter::~ResultWriter() = default;

void ResultWriter::axis(const std::string& path, std::span<const double> values,
                        const std::string& units, const std::string& long_name) {
  state_->write_axis(path, values.data(), values.size(), H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, units,
                     long_name);
}

void ResultWriter::axis(const std::string& path, std::span<const std::string> values,
                        const std::string& long_name) {
  std::vector<const char*> texts;
  for (const auto& value : values) texts.push_back(value.c_str());
  const auto lock = hdf5_lock();
  const Hdf5Handle type = utf8_type();
  state_->write_axis(path, texts.data(), texts.size(), type.get(), type.get(), "1", long_name);
}

void ResultWriter::write(const std::string& path, std::span<const double> values,
                         const AxisPaths& axes, const std::string& units,
                         const std::string& long_name) {
  state_->write_values(path, values.data(), values.size(), H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, axes,
                       units, long_name);
}

void ResultWriter::write(const std::string& path, std::span<const float> values,
                         const AxisPaths& axes, const std::string& units,
                         const std::string& long_name) {
  state_->write_values(path, values.data(), values.size(), H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, axes,
                       units, long_name);
}

void ResultWriter::write(const std::string& path, std::span<const std::int64_t> values,
                         const AxisPaths& axes, const std::string& units,
                         const std::string& long_name) {
  state_->write_values(path, values.data(), values.size(), H5T_STD_I64LE, H5T_NATIVE_INT64, axes,
                       units, long_name);
}

void ResultWriter::write(const std::string& path, std::span<const std::string> values,
                         const AxisPaths& axes, const std::string& long_name) {
  std::vector<const char*> texts;
  for (const auto& value : values) texts.push_back(value.c_str());
  const auto lock = hdf5_lock();
  const Hdf5Handle type = utf8_type();
  state_->write_values(path, texts.data(), texts.size(), type.get(), type.get(), axes, "1",
                       long_name);
}

void ResultWriter::scalar(const std::string& path, double value, const std::string& units,
                          const std::string& long_name) {
  write(path, std::span(&value, 1), {}, units, long_name);
}

void ResultWriter::scalar(const std::string& path, const std::string& value,
                          const std::string& long_name) {
  write(path, std::span(&value, 1), {}, long_name);
}

void ResultWriter::attribute(const std::string& path, const std::string& name,
                             const std::string& value) {
  const auto lock = hdf5_lock();
  const Hdf5Handle object(H5Oopen(state_->file.get(), path.c_str(), H5P_DEFAULT), H5Oclose);
  if (!object) state_->fail(path);
  state_->set_attribute(object.get(), path, name, value);
}

void ResultWriter::commit() {
  State& s = *state_;
  {
    const auto lock = hdf5_lock();
    if (H5Fflush(s.file.get(), H5F_SCOPE_GLOBAL) < 0) s.fail("/");
    s.file.reset();
  }
  // The data must be on the disk before the name is: a crash then leaves the old file or the new.
  const int descriptor = ::open(s.temporary.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  if (descriptor >= 0) ::close(descriptor);
  std::error_code error;
  if (synced) std::filesystem::rename(s.temporary, s.target, error);
  if (!synced || error) {
    throw RunError(fmt::format("{}: cannot be written ({}). Check the disk's free space.",
                               s.target.string(), error ? error.message() : "sync failed"));
  }
  s.committed = true;
}

// ---- reading ----

namespace {

[[noreturn]] void fail_reading(const std::filesystem::path& file, const std::string& problem,
                               const std::string& remedy) {
  throw DataError(fmt::format("{}: {}. {}.", file.string(), problem, remedy));
}

std::string read_text(hid_t object_type, hid_t space,
                      const std::function<herr_t(hid_t, void*)>& read) {
  if (H5Tget_class(object_type) != H5T_STRING || H5Sget_simple_extent_npoints(space) != 1)
    return "";
  if (H5Tis_variable_str(object_type) > 0) {
    char* text = nullptr;
    if (read(object_type, &text) < 0 || text == nullptr) return "";
    std::string result(text);
    H5free_memory(text);
    return result;
  }
  std::string result(H5Tget_size(object_type), '\0');
  if (read(object_type, result.data()) < 0) return "";
  return result.c_str();
}

std::string text_attribute(hid_t object, const char* name) {
  if (H5Aexists(object, name) <= 0) return "";
  const Hdf5Handle attribute(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
  const Hdf5Handle type(H5Aget_type(attribute.get()), H5Tclose);
  const Hdf5Handle space(H5Aget_space(attribute.get()), H5Sclose);
  if (H5Tget_class(type.get()) == H5T_INTEGER) {
    std::uint64_t value = 0;
    H5Aread(attribute.get(), H5T_NATIVE_UINT64, &value);
    return std::to_string(value);
  }
  return read_text(type.get(), space.get(), [&](hid_t memory, void* into) {
    return H5Aread(attribute.get(), memory, into);
  });
}

}  // namespace

bool is_result_file(const std::filesystem::path& file) {
  const auto lock = hdf5_lock();
  const Hdf5Handle handle(H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  return handle && text_attribute(handle.get(), "format") == result_format;
}

ResultSummary read_result_summary(const std::filesystem::path& file) {
  const auto lock = hdf5_lock();
  std::error_code error;
  if (!std::filesystem::exists(file, error)) {
    fail_reading(file, "no such file", "Check the path");
  }
  const Hdf5Handle handle(H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!handle) {
    fail_reading(file, fmt::format("not an HDF5 file ({})", hdf5_error()),
                 "Give a file that attojoule wrote");
  }
  ResultSummary summary;
  const std::string format = text_attribute(handle.get(), "format");
  if (format != result_format) {
    fail_reading(file,
                 format.empty() ? "no attojoule result (it has no attribute 'format')"
                                : fmt::format("format '{}'", format),
                 "Give a file that attojoule wrote");
  }
  const std::string version = text_attribute(handle.get(), "format_version");
  if (version != std::to_string(result_format_version)) {
    fail_reading(file,
                 fmt::format("format version {} (this program reads {}); it was written by "
                             "attojoule {}",
                             version, result_format_version,
                             text_attribute(handle.get(), "program_version")),
                 "Use that version of the program");
  }
  for (const char* name : {"program_version", "git_sha", "command_line", "created_utc", "seed",
                           "rng_contract", "model_sha256", "dataset_sha256", "config"}) {
    summary.attributes.emplace_back(name, text_attribute(handle.get(), name));
  }
  H5Ovisit2(
      handle.get(), H5_INDEX_NAME, H5_ITER_INC,
      [](hid_t root, const char* name, const H5O_info_t* info, void* client) -> herr_t {
        if (info->type != H5O_TYPE_DATASET) return 0;
        const Hdf5Handle set(H5Dopen2(root, name, H5P_DEFAULT), H5Dclose);
        const Hdf5Handle space(H5Dget_space(set.get()), H5Sclose);
        const Hdf5Handle type(H5Dget_type(set.get()), H5Tclose);
        ResultSummary::Entry entry;
        entry.path = std::string("/") + name;
        const int rank = H5Sget_simple_extent_ndims(space.get());
        std::vector<hsize_t> extents(static_cast<std::size_t>(std::max(rank, 0)));
        if (rank > 0) H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr);
        for (const hsize_t extent : extents)
          entry.shape.push_back(static_cast<std::int64_t>(extent));
        entry.units = text_attribute(set.get(), "units");
        entry.long_name = text_attribute(set.get(), "long_name");
        if (rank == 0 && H5Tget_class(type.get()) == H5T_FLOAT) {
          double value = 0;
          if (H5Dread(set.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, &value) >= 0) {
            entry.value = value;
          }
        }
        static_cast<ResultSummary*>(client)->entries.push_back(std::move(entry));
        return 0;
      },
      &summary, H5O_INFO_BASIC);
  return summary;
}

}  // namespace attojoule::data
