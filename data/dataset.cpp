#include "data/dataset.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <variant>

#include "data/bytes.hpp"
#include "data/hdf5.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

using Raw = std::variant<std::vector<std::uint8_t>, std::vector<std::int32_t>,
                         std::vector<std::int64_t>, std::vector<float>, std::vector<double>>;

// No data set that this program runs on is larger; a header that claims more is broken.
constexpr std::int64_t largest_elements = std::int64_t{1} << 33;

std::int64_t product(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count)) return -1;
  }
  return count;
}

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& problem,
                       const std::string& remedy) {
  throw DataError(fmt::format("{}: {}. {}.", file.string(), problem, remedy));
}

struct RawArray {
  std::vector<std::int64_t> shape;
  Raw values;
};

// ---- HDF5 ----

class Hdf5Source {
 public:
  explicit Hdf5Source(const std::filesystem::path& path) : path_(path) {
    file_ = {H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose};
    if (!file_) {
      fail(path, fmt::format("the HDF5 file cannot be opened ({})", hdf5_error()),
           "Check that it was copied or downloaded whole");
    }
  }

  bool has(const std::string& name) const {
    return H5Lexists(file_.get(), name.c_str(), H5P_DEFAULT) > 0;
  }

  std::vector<std::string> dataset_names() const {
    std::vector<std::string> names;
    H5Literate(
        file_.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr,
        [](hid_t group, const char* name, const H5L_info_t*, void* client) -> herr_t {
          H5O_info_t info;
          if (H5Oget_info_by_name(group, name, &info, H5P_DEFAULT) >= 0 &&
              info.type == H5O_TYPE_DATASET) {
            static_cast<std::vector<std::string>*>(client)->emplace_back(name);
          }
          return 0;
        },
        &names);
    return names;
  }

  // Whether a data set holds numbers for each of `samples` samples, as an input of a network does.
  bool is_per_sample(const std::string& name, std::int64_t samples) const {
    const Hdf5Handle set = open(name);
    const auto shape = shape_of(set);
    const Hdf5Handle type(H5Dget_type(set.get()), H5Tclose);
    const H5T_class_t kind = H5Tget_class(type.get());
    return !shape.empty() && shape[0] == samples &&
           (kind == H5T_FLOAT || kind == H5T_INTEGER || kind == H5T_ENUM);
  }

  RawArray read(const std::string& name) const {
    const Hdf5Handle set = open(name);
    RawArray array;
    array.shape = shape_of(set);
    const Hdf5Handle type(H5Dget_type(set.get()), H5Tclose);
    const std::int64_t count = checked_count(name, set, array.shape, H5Tget_size(type.get()));
    const H5T_class_t kind = H5Tget_class(type.get());
    const std::size_t size = H5Tget_size(type.get());
    const bool is_signed = H5Tget_sign(type.get()) != H5T_SGN_NONE;
    const auto load = [&](auto element, hid_t memory_type) {
      std::vector<decltype(element)> values(static_cast<std::size_t>(count));
      if (count > 0 &&
          H5Dread(set.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
        const std::string reason = hdf5_error();
        require_filters(name, set);
        fail(path_, fmt::format("'{}' cannot be read ({})", name, reason),
             "Check that the file was copied or downloaded whole");
      }
      array.values = std::move(values);
    };
    if (kind == H5T_FLOAT) {
      size <= 4 ? load(float{}, H5T_NATIVE_FLOAT) : load(double{}, H5T_NATIVE_DOUBLE);
    } else if (kind == H5T_INTEGER || kind == H5T_ENUM) {  // h5py writes booleans as an enum
      if (size == 1 && !is_signed) {
        load(std::uint8_t{}, H5T_NATIVE_UINT8);
      } else if (size < 4 || (size == 4 && is_signed) || kind == H5T_ENUM) {
        load(std::int32_t{}, H5T_NATIVE_INT32);
      } else {
        load(std::int64_t{}, H5T_NATIVE_INT64);
      }
    } else {
      fail(path_, fmt::format("'{}' holds neither integers nor real numbers", name),
           "Store it as uint8, int32, int64, float32 or float64");
    }
    return array;
  }

  // Numeric attribute of a data set, or of the root if `name` is empty.
  std::vector<double> attribute(const std::string& name, const std::string& attribute) const {
    const Hdf5Handle object(H5Oopen(file_.get(), name.empty() ? "/" : name.c_str(), H5P_DEFAULT),
                            H5Oclose);
    if (!object || H5Aexists(object.get(), attribute.c_str()) <= 0) return {};
    const Hdf5Handle handle(H5Aopen(object.get(), attribute.c_str(), H5P_DEFAULT), H5Aclose);
    const Hdf5Handle space(H5Aget_space(handle.get()), H5Sclose);
    const Hdf5Handle type(H5Aget_type(handle.get()), H5Tclose);
    const H5T_class_t kind = H5Tget_class(type.get());
    const hssize_t count = H5Sget_simple_extent_npoints(space.get());
    constexpr hssize_t largest = 1 << 20;
    std::vector<double> values(static_cast<std::size_t>(std::clamp<hssize_t>(count, 0, largest)));
    if ((kind != H5T_FLOAT && kind != H5T_INTEGER) || count < 1 || count > largest ||
        H5Aread(handle.get(), H5T_NATIVE_DOUBLE, values.data()) < 0) {
      fail(path_,
           fmt::format("attribute '{}' of {} is not numeric", attribute,
                       name.empty() ? "the file" : "'" + name + "'"),
           "Store it as one number, or one per channel");
    }
    return values;
  }

 private:
  // A data set whose values lie in this file.
  Hdf5Handle open(const std::string& name) const {
    H5L_info_t link;
    const bool elsewhere = H5Lget_info(file_.get(), name.c_str(), &link, H5P_DEFAULT) >= 0 &&
                           link.type == H5L_TYPE_EXTERNAL;
    Hdf5Handle set;
    if (!elsewhere) set = {H5Dopen2(file_.get(), name.c_str(), H5P_DEFAULT), H5Dclose};
    if (!set && !elsewhere) {
      fail(path_, fmt::format("'{}' is not a data set", name), "See docs/files.md for the layout");
    }
    const Hdf5Handle properties(elsewhere ? H5I_INVALID_HID : H5Dget_create_plist(set.get()),
                                H5Pclose);
    if (elsewhere || H5Pget_layout(properties.get()) == H5D_VIRTUAL ||
        H5Pget_external_count(properties.get()) > 0) {
      fail(path_,
           fmt::format(
               "the values of '{}' lie in another file (the file's sha256 would not tell which "
               "data were used)",
               name),
           "Store them in this one");
    }
    return set;
  }

  // Compressed data need their filter (h5py has LZF, which the library itself has not).
  void require_filters(const std::string& name, const Hdf5Handle& set) const {
    const Hdf5Handle properties(H5Dget_create_plist(set.get()), H5Pclose);
    const int count = H5Pget_nfilters(properties.get());
    for (int i = 0; i < count; ++i) {
      unsigned int flags = 0;
      std::size_t values = 0;
      std::array<char, 64> title{};
      const H5Z_filter_t filter =
          H5Pget_filter2(properties.get(), static_cast<unsigned>(i), &flags, &values, nullptr,
                         title.size(), title.data(), nullptr);
      if (filter < 0 || H5Zfilter_avail(filter) > 0) continue;
      fail(path_,
           fmt::format("'{}' is compressed by filter {} ('{}'), which the HDF5 library here lacks",
                       name, filter, title.data()),
           "Store it with gzip, or uncompressed");
    }
  }

  static std::vector<std::int64_t> shape_of(const Hdf5Handle& set) {
    const Hdf5Handle space(H5Dget_space(set.get()), H5Sclose);
    const int rank = H5Sget_simple_extent_ndims(space.get());
    std::vector<std::int64_t> shape;
    if (rank <= 0) return shape;
    std::vector<hsize_t> extents(static_cast<std::size_t>(rank));
    H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr);
    constexpr auto most = static_cast<hsize_t>(std::numeric_limits<std::int64_t>::max());
    for (const hsize_t extent : extents) {
      shape.push_back(static_cast<std::int64_t>(std::min(extent, most)));
    }
    return shape;
  }

  // A broken header can claim any shape: what is claimed must be stored, compressed at best.
  std::int64_t checked_count(const std::string& name, const Hdf5Handle& set,
                             const std::vector<std::int64_t>& shape, std::size_t size) const {
    const std::int64_t count = product(shape);
    // No filter of HDF5 packs tighter than deflate, and deflate not tighter than 1032 to 1. Small
    // data sets may be left to their fill value.
    constexpr double tightest = 1100;
    constexpr double small_bytes = 64.0 * 1024 * 1024;
    const double bytes = static_cast<double>(count) * static_cast<double>(size);
    const auto stored = static_cast<double>(H5Dget_storage_size(set.get()));
    if (count < 0 || count > largest_elements || bytes > small_bytes + tightest * stored) {
      fail(path_,
           fmt::format("'{}' claims more values than the file can hold ({} bytes are stored)", name,
                       stored),
           "Check that it was copied or downloaded whole");
    }
    return count;
  }

  std::filesystem::path path_;
  Hdf5Handle file_;
};

// ---- IDX (Y. LeCun's format of MNIST), plain or gzipped ----

// A file of bytes, unpacked if it is gzipped.
class ByteStream {
 public:
  explicit ByteStream(const std::filesystem::path& path) : path_(path), file_(nullptr, &gzclose) {
    require_readable(path);
    // zlib hands plain files through unchanged.
    file_.reset(gzopen(path.c_str(), "rb"));
    if (!file_) fail(path, "cannot be read", "Check its permissions");
  }

  // Up to `most` bytes; fewer at the end of the file.
  std::vector<std::uint8_t> read(std::size_t most) {
    std::vector<std::uint8_t> bytes;
    constexpr std::size_t piece = std::size_t{1} << 20;
    while (bytes.size() < most) {
      const std::size_t before = bytes.size();
      const std::size_t wanted = std::min(piece, most - before);
      bytes.resize(before + wanted);
      const int got = gzread(file_.get(), bytes.data() + before, static_cast<unsigned>(wanted));
      int code = Z_OK;
      const char* message = gzerror(file_.get(), &code);
      // A stream that stops early is reported at its end only, as Z_BUF_ERROR.
      if (got < 0 || (got == 0 && code != Z_OK && code != Z_STREAM_END)) {
        fail(path_, fmt::format("the gzip stream is broken ({})", message),
             "Check that it was copied or downloaded whole");
      }
      bytes.resize(before + static_cast<std::size_t>(got));
      if (got == 0) break;
    }
    return bytes;
  }

 private:
  std::filesystem::path path_;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file_;
};

RawArray read_idx(const std::filesystem::path& path) {
  ByteStream stream(path);
  const std::vector<std::uint8_t> magic = stream.read(4);
  if (magic.size() < 4 || magic[0] != 0 || magic[1] != 0) {
    fail(path, "neither HDF5 nor IDX", "Give a data set in one of these formats (docs/files.md)");
  }
  constexpr std::uint8_t unsigned_bytes = 0x08;
  if (magic[2] != unsigned_bytes) {
    fail(path, fmt::format("IDX element type 0x{:02x}", magic[2]), "Store unsigned bytes (0x08)");
  }
  const std::size_t rank = magic[3];
  const std::vector<std::uint8_t> extents = stream.read(4 * rank);
  if (rank < 1 || extents.size() < 4 * rank) {
    fail(path, "the IDX header is truncated", "Check that it was copied or downloaded whole");
  }
  RawArray array;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    std::int64_t extent = 0;
    for (std::size_t k = 0; k < 4; ++k) extent = extent * 256 + extents[4 * axis + k];
    array.shape.push_back(extent);
  }
  const std::int64_t count = product(array.shape);
  if (count < 0 || count > largest_elements) {
    fail(path, "the IDX header claims more values than can be read",
         "Check that it was copied or downloaded whole");
  }
  // Not a byte more is unpacked than the header asks for, and one that tells of a longer file.
  std::vector<std::uint8_t> values = stream.read(static_cast<std::size_t>(count) + 1);
  if (static_cast<std::int64_t>(values.size()) != count) {
    const bool longer = static_cast<std::int64_t>(values.size()) > count;
    fail(path,
         fmt::format("{} values where the header says {}",
                     longer ? "more" : std::to_string(values.size()), count),
         "Check that it was copied or downloaded whole");
  }
  array.values = std::move(values);
  return array;
}

bool starts_as_hdf5(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::array<char, 8> head{};
  stream.read(head.data(), head.size());
  return stream && std::memcmp(head.data(), "\x89HDF\r\n\x1a\n", head.size()) == 0;
}

std::vector<std::int64_t> sample_shape_of(const RawArray& array) {
  return {array.shape.begin() + 1, array.shape.end()};
}

}  // namespace

struct Dataset::Storage {
  std::filesystem::path file;
  std::string sha256;
  std::int64_t size = 0;
  std::vector<std::int64_t> shape;  // of one sample
  std::int64_t elements = 0;        // of one sample
  Raw inputs;
  std::vector<int> labels;
  std::vector<NamedInput> named;
  std::vector<Raw> named_values;
  // x = raw * factor[c] + shift[c]
  std::vector<float> factor;
  std::vector<float> shift;
  std::int64_t plane = 1;  // consecutive elements of one channel
  bool integers = false;
  std::optional<int> classes;

  // Channel parameters: one number for all channels, or one for each.
  std::vector<double> by_channel(const std::vector<double>& given, const char* name,
                                 double fallback, std::size_t channels) const {
    if (given.empty()) return std::vector<double>(channels, fallback);
    if (given.size() != 1 && given.size() != channels) {
      fail(file, fmt::format("{} has {} numbers for {} channels", name, given.size(), channels),
           "Give one, or one per channel (axis 1)");
    }
    for (const double value : given) {
      if (!std::isfinite(value)) {
        fail(file, fmt::format("{} is {}", name, value), "Give finite numbers");
      }
    }
    return given.size() == 1 ? std::vector<double>(channels, given[0]) : given;
  }

  void normalise(const std::vector<double>& scale, const std::vector<double>& mean,
                 const std::vector<double>& std_deviation) {
    const auto channels = static_cast<std::size_t>(shape.empty() ? 1 : shape[0]);
    // A vector's elements are its channels; one mean for all is the usual case.
    plane = shape.empty() ? 1 : elements / std::max<std::int64_t>(shape[0], 1);
    const auto scales = by_channel(scale, "scale", 1, channels);
    const auto means = by_channel(mean, "mean", 0, channels);
    const auto deviations = by_channel(std_deviation, "std", 1, channels);
    integers = !std::holds_alternative<std::vector<float>>(inputs) &&
               !std::holds_alternative<std::vector<double>>(inputs);
    const double highest = largest_raw();
    for (std::size_t c = 0; c < channels; ++c) {
      if (!(deviations[c] > 0)) {
        fail(file,
             fmt::format("std of channel {} is {} (inputs are divided by it)", c, deviations[c]),
             "Give numbers above 0");
      }
      factor.push_back(static_cast<float>(scales[c] / deviations[c]));
      shift.push_back(static_cast<float>(-means[c] / deviations[c]));
      integers = integers && scales[c] == 1 && means[c] == 0 && deviations[c] == 1;
      const double largest = highest * std::abs(static_cast<double>(factor[c])) +
                             std::abs(static_cast<double>(shift[c]));
      if (!(largest <= std::numeric_limits<float>::max())) {
        fail(
            file,
            fmt::format("inputs of channel {} reach {} once normalised (scale {}, mean {}, std {})",
                        c, largest, scales[c], means[c], deviations[c]),
            "Correct these numbers: inputs must stay within a float");
      }
    }
  }

  double largest_raw() const {
    return std::visit(
        [](const auto& values) {
          double largest = 0;
          for (const auto value : values) {
            largest = std::max(largest, std::abs(static_cast<double>(value)));
          }
          return largest;
        },
        inputs);
  }

  void check_finite() const {
    std::visit(
        [&](const auto& values) {
          using Element = typename std::decay_t<decltype(values)>::value_type;
          if constexpr (std::is_floating_point_v<Element>) {
            for (std::size_t i = 0; i < values.size(); ++i) {
              if (std::isfinite(values[i])) continue;
              fail(file,
                   fmt::format("inputs: element {} of sample {} is {}",
                               static_cast<std::int64_t>(i) % elements,
                               static_cast<std::int64_t>(i) / elements, values[i]),
                   "Inputs must be finite");
            }
          }
        },
        inputs);
  }

  void read_labels(const RawArray& array, int offset) {
    const bool column = array.shape.size() == 2 && array.shape[1] == 1;
    if (array.shape.size() != 1 && !column) {
      fail(file, fmt::format("labels have {} axes", array.shape.size()),
           array.shape.size() == 2 ? "Give one label per sample: of one-hot rows the index of the 1"
                                   : "Give one label per sample");
    }
    if (array.shape[0] != size) {
      fail(file, fmt::format("{} labels for {} inputs", array.shape[0], size),
           "Give one label per sample");
    }
    std::visit(
        [&](const auto& values) {
          for (std::size_t i = 0; i < values.size(); ++i) {
            const double label = static_cast<double>(values[i]) + offset;
            const double end = classes ? *classes : std::numeric_limits<int>::max();
            if (!(label >= 0) || !(label < end) || label != std::floor(label)) {
              fail(
                  file,
                  fmt::format("label {} of sample {} is outside 0 to {}{}", label, i, end - 1,
                              offset != 0 ? fmt::format(" (label_offset {} applied)", offset) : ""),
                  "Correct the labels, or shift them with label_offset");
            }
            labels.push_back(static_cast<int>(label));
          }
        },
        array.values);
  }

  void read_hdf5(const DatasetOptions& options) {
    const auto lock = hdf5_lock();
    const Hdf5Source source(file);
    if (!source.has("inputs")) {
      const auto names = source.dataset_names();
      fail(file,
           names.empty()
               ? "no data set 'inputs'"
               : fmt::format("no data set 'inputs' (it has '{}')", fmt::join(names, "', '")),
           "Store the inputs under that name (docs/files.md)");
    }
    if (!source.has("labels")) {
      fail(file, "no data set 'labels'", "Store one class index per sample under that name");
    }
    take_inputs(source.read("inputs"));
    const auto stored_classes = source.attribute("", "classes");
    if (!stored_classes.empty()) {
      const double count = stored_classes[0];
      if (stored_classes.size() != 1 || !(count >= 1 && count < 1e9) ||
          count != std::floor(count)) {
        fail(file,
             fmt::format("attribute 'classes' of the file is {} (labels are checked against it)",
                         fmt::join(stored_classes, ", ")),
             "Store the number of classes, or leave it out");
      }
      classes = static_cast<int>(count);
    }
    const auto chosen = [&](const std::vector<double>& given, const char* name) {
      return given.empty() ? source.attribute("inputs", name) : given;
    };
    const std::vector<double> scale =
        options.scale ? std::vector<double>{*options.scale} : source.attribute("inputs", "scale");
    normalise(scale, chosen(options.mean, "mean"), chosen(options.std, "std"));
    read_labels(source.read("labels"), options.label_offset);
    for (const std::string& name : source.dataset_names()) {
      if (name == "inputs" || name == "labels" || !source.is_per_sample(name, size)) continue;
      RawArray array = source.read(name);
      named.push_back({name, sample_shape_of(array)});
      named_values.push_back(std::move(array.values));
    }
  }

  void take_inputs(RawArray array) {
    if (array.shape.empty()) fail(file, "inputs have no axes", "The first axis is the sample");
    size = array.shape[0];
    shape = sample_shape_of(array);
    elements = product(shape);
    if (size < 1 || elements < 1) fail(file, "no inputs", "A data set needs at least one sample");
    inputs = std::move(array.values);
    check_finite();
  }

  void read_idx_pair(const DatasetOptions& options) {
    RawArray array = read_idx(file);
    // Images without a channel axis have one channel.
    if (array.shape.size() == 3) array.shape.insert(array.shape.begin() + 1, 1);
    take_inputs(std::move(array));
    if (options.labels_file.empty()) {
      fail(file, "no labels (an IDX file holds one array)",
           "Name the file of the labels: data.labels_file, or --labels");
    }
    const std::vector<double> scale{options.scale.value_or(1.0 / 255.0)};
    normalise(scale, options.mean, options.std);
    read_labels(read_idx(options.labels_file), options.label_offset);
  }
};

Dataset Dataset::open(const DatasetOptions& options) {
  auto storage = std::make_unique<Storage>();
  storage->file = options.file;
  storage->sha256 = sha256_of_file(options.file);
  if (starts_as_hdf5(options.file)) {
    if (!options.labels_file.empty()) {
      fail(options.file, "labels_file for an HDF5 data set (its labels are in the file)",
           "Leave labels_file out");
    }
    storage->read_hdf5(options);
  } else {
    storage->read_idx_pair(options);
  }
  return Dataset(std::move(storage));
}

Dataset::Dataset(std::unique_ptr<Storage> storage) : storage_(std::move(storage)) {}
Dataset::~Dataset() = default;
Dataset::Dataset(Dataset&&) noexcept = default;
Dataset& Dataset::operator=(Dataset&&) noexcept = default;

std::int64_t Dataset::size() const {
  return storage_->size;
}
const std::vector<std::int64_t>& Dataset::sample_shape() const {
  return storage_->shape;
}
bool Dataset::is_integer_valued() const {
  return storage_->integers;
}
std::optional<int> Dataset::classes() const {
  return storage_->classes;
}
int Dataset::label(std::int64_t index) const {
  return storage_->labels.at(static_cast<std::size_t>(index));
}
const std::vector<NamedInput>& Dataset::named_inputs() const {
  return storage_->named;
}
const std::string& Dataset::sha256() const {
  return storage_->sha256;
}
const std::filesystem::path& Dataset::file() const {
  return storage_->file;
}

void Dataset::read_input(std::int64_t index, std::span<float> out) const {
  const Storage& s = *storage_;
  if (index < 0 || index >= s.size || static_cast<std::int64_t>(out.size()) != s.elements) {
    throw DataError(
        fmt::format("{}: sample {} of {} with room for {} values instead of {}. Check the "
                    "network against the data set.",
                    s.file.string(), index, s.size, out.size(), s.elements));
  }
  std::visit(
      [&](const auto& values) {
        const auto* raw = values.data() + index * s.elements;
        for (std::size_t c = 0; c < s.factor.size(); ++c) {
          const float factor = s.factor[c];
          const float shift = s.shift[c];
          const std::int64_t first = static_cast<std::int64_t>(c) * s.plane;
          for (std::int64_t i = first; i < first + s.plane; ++i) {
            out[static_cast<std::size_t>(i)] = static_cast<float>(raw[i]) * factor + shift;
          }
        }
      },
      s.inputs);
}

void Dataset::read_named_input(std::size_t which, std::int64_t index, std::span<float> out) const {
  const Storage& s = *storage_;
  const std::int64_t elements = product(s.named.at(which).shape);
  if (index < 0 || index >= s.size || static_cast<std::int64_t>(out.size()) != elements) {
    throw DataError(
        fmt::format("{}: sample {} of '{}' with room for {} values instead of {}. Check "
                    "the network against the data set.",
                    s.file.string(), index, s.named[which].name, out.size(), elements));
  }
  std::visit(
      [&](const auto& values) {
        const auto* raw = values.data() + index * elements;
        std::transform(raw, raw + elements, out.begin(),
                       [](auto value) { return static_cast<float>(value); });
      },
      s.named_values[which]);
}

}  // namespace attojoule::data
