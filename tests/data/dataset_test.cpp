#include "data/dataset.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <hdf5.h>
#include <zlib.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "data/bytes.hpp"
#include "photonics/error.hpp"
#include "tests/data/temporary_folder.hpp"

namespace attojoule::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// A file written with HDF5's own C interface, closed with the object.
class Hdf5File {
 public:
  explicit Hdf5File(const std::filesystem::path& path)
      : id_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)) {
    if (id_ < 0) throw std::runtime_error("cannot create " + path.string());
  }
  Hdf5File(const Hdf5File&) = delete;
  Hdf5File& operator=(const Hdf5File&) = delete;
  ~Hdf5File() { H5Fclose(id_); }
  hid_t id() const { return id_; }

  // `values` are of type `memory` and stored as `stored`.
  template <class T>
  void set(const std::string& name, hid_t stored, hid_t memory, const std::vector<hsize_t>& extents,
           const std::vector<T>& values, hid_t properties = H5P_DEFAULT) const {
    const hid_t space = extents.empty() ? H5Screate(H5S_SCALAR)
                                        : H5Screate_simple(static_cast<int>(extents.size()),
                                                           extents.data(), nullptr);
    const hid_t data =
        H5Dcreate2(id_, name.c_str(), stored, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    if (data < 0) throw std::runtime_error("cannot create " + name);
    if (!values.empty()) H5Dwrite(data, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
    H5Dclose(data);
    H5Sclose(space);
  }

  void doubles(const std::string& name, const std::vector<hsize_t>& extents,
               const std::vector<double>& values, hid_t stored = H5T_IEEE_F64LE) const {
    set(name, stored, H5T_NATIVE_DOUBLE, extents, values);
  }

  void integers(const std::string& name, const std::vector<hsize_t>& extents,
                const std::vector<std::int64_t>& values, hid_t stored = H5T_STD_U8LE) const {
    set(name, stored, H5T_NATIVE_INT64, extents, values);
  }

  // One value: a scalar attribute.
  void attribute(const std::string& object, const std::string& name,
                 const std::vector<double>& values) const {
    const hsize_t count = values.size();
    const hid_t space = count == 1 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &count, nullptr);
    const hid_t attribute = H5Acreate_by_name(id_, object.c_str(), name.c_str(), H5T_IEEE_F64LE,
                                              space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, H5T_NATIVE_DOUBLE, values.data());
    H5Aclose(attribute);
    H5Sclose(space);
  }

  void text_attribute(const std::string& object, const std::string& name) const {
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, 4);
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t attribute = H5Acreate_by_name(id_, object.c_str(), name.c_str(), type, space,
                                              H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, type, "half");
    H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
  }

  // Text of each of `count` entries.
  void texts(const std::string& name, hsize_t count) const {
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, 4);
    set(name, type, type, {count}, std::vector<char>(4 * count, 'x'));
    H5Tclose(type);
  }

 private:
  hid_t id_;
};

// The counting values 0, 1, 2, …
std::vector<std::int64_t> counting(std::int64_t count) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), 0);
  return values;
}

// Two samples of 3 channels of 2 x 2, with labels 0 and 1.
void write_images(const Hdf5File& file) {
  file.integers("inputs", {2, 3, 2, 2}, counting(24));
  file.integers("labels", {2}, {0, 1}, H5T_STD_I64LE);
}

DatasetOptions options_of(const std::filesystem::path& file) {
  DatasetOptions options;
  options.file = file;
  return options;
}

std::vector<float> sample_of(const Dataset& set, std::int64_t index) {
  std::int64_t count = 1;
  for (const std::int64_t extent : set.sample_shape()) count *= extent;
  std::vector<float> values(static_cast<std::size_t>(count));
  set.read_input(index, values);
  return values;
}

class DatasetTest : public testing::Test {
 protected:
  // Writes a file and returns its path.
  template <class Fill>
  std::filesystem::path file(Fill fill) {
    const auto path = folder_.path() / fmt::format("{}.h5", files_++);
    fill(Hdf5File(path));
    return path;
  }

  // The message that opening a file gives, without the file's name.
  template <class Fill>
  std::string refusal(Fill fill, DatasetOptions options = {}) {
    options.file = file(fill);
    const std::string message = message_of<DataError>([&] { Dataset::open(options); });
    const std::string place = options.file.string() + ": ";
    EXPECT_THAT(message, StartsWith(place));
    return message.substr(std::min(place.size(), message.size()));
  }

  TemporaryFolder folder_;
  int files_ = 0;
};

// ---- HDF5 ----

TEST_F(DatasetTest, ShapeLabelsAndIdentity) {
  const auto path = file([](const Hdf5File& h5) {
    write_images(h5);
    h5.attribute("/", "classes", {2});
  });
  const Dataset set = Dataset::open(options_of(path));
  EXPECT_EQ(set.size(), 2);
  EXPECT_THAT(set.sample_shape(), ElementsAre(3, 2, 2));
  EXPECT_EQ(set.classes(), 2);
  EXPECT_EQ(set.label(0), 0);
  EXPECT_EQ(set.label(1), 1);
  EXPECT_EQ(set.file(), path);
  EXPECT_EQ(set.sha256(), sha256_of_file(path));
  EXPECT_TRUE(set.named_inputs().empty());
  EXPECT_TRUE(set.is_integer_valued());
}

// x = (raw * scale - mean) / std, by hand.
TEST_F(DatasetTest, AttributesPerChannel) {
  const auto path = file([](const Hdf5File& h5) {
    write_images(h5);
    h5.attribute("inputs", "scale", {0.5});
    h5.attribute("inputs", "mean", {1, 2, 3});
    h5.attribute("inputs", "std", {1, 2, 4});
  });
  const Dataset set = Dataset::open(options_of(path));
  EXPECT_FALSE(set.is_integer_valued());
  EXPECT_THAT(sample_of(set, 0),
              ElementsAre(-1, -0.5f, 0, 0.5f, 0, 0.25f, 0.5f, 0.75f, 0.25f, 0.375f, 0.5f, 0.625f));
  EXPECT_THAT(sample_of(set, 1),
              ElementsAre(5, 5.5f, 6, 6.5f, 3, 3.25f, 3.5f, 3.75f, 1.75f, 1.875f, 2, 2.125f));
}

TEST_F(DatasetTest, OneAttributeForAllChannelsAndOverrides) {
  const auto path = file([](const Hdf5File& h5) {
    write_images(h5);
    h5.attribute("inputs", "mean", {10});
    h5.attribute("inputs", "std", {2});
  });
  EXPECT_EQ(sample_of(Dataset::open(options_of(path)), 0)[4], (4.0f - 10) / 2);
  DatasetOptions options = options_of(path);
  options.mean = {0, 1, 2};
  options.std = {1};
  options.scale = 2;
  options.label_offset = 5;
  const Dataset set = Dataset::open(options);
  EXPECT_EQ(sample_of(set, 0)[0], 0);
  EXPECT_EQ(sample_of(set, 0)[4], 7);
  EXPECT_EQ(sample_of(set, 1)[11], 44);
  EXPECT_EQ(set.label(1), 6);
}

// Every stored type, at its extremes.
TEST_F(DatasetTest, ElementTypes) {
  struct Stored {
    hid_t type;
    double low, high;
  };
  const Stored types[] = {
      {H5T_STD_U8LE, 0, 255},           {H5T_STD_I8LE, -128, 127},
      {H5T_STD_U16BE, 0, 65535},        {H5T_STD_I32LE, -2147483648.0, 2147483647},
      {H5T_STD_U32LE, 0, 4294967295.0}, {H5T_STD_I64BE, -9007199254740992.0, 9007199254740992.0},
      {H5T_IEEE_F32LE, -1.5, 0.25},     {H5T_IEEE_F64BE, -1e30, 1e-30}};
  for (const auto& [type, low, high] : types) {
    const hid_t stored = type;
    const double smallest = low, largest = high;
    const auto path = file([&](const Hdf5File& h5) {
      h5.doubles("inputs", {1, 2}, {smallest, largest}, stored);
      h5.integers("labels", {1}, {3}, stored == H5T_STD_U8LE ? H5T_STD_U8LE : H5T_STD_I32LE);
    });
    const Dataset set = Dataset::open(options_of(path));
    EXPECT_THAT(sample_of(set, 0),
                ElementsAre(static_cast<float>(smallest), static_cast<float>(largest)));
    EXPECT_EQ(set.label(0), 3);
    EXPECT_EQ(set.is_integer_valued(), H5Tget_class(stored) == H5T_INTEGER);
  }
}

// Booleans are an enumeration in files of h5py.
TEST_F(DatasetTest, BooleansAndSamplesOfOneNumber) {
  const auto path = file([](const Hdf5File& h5) {
    h5.doubles("inputs", {3}, {1, 2, 4});
    h5.integers("labels", {3}, {0, 1, 2});
    const hid_t boolean = H5Tenum_create(H5T_STD_I8LE);
    for (const auto& [name, number] : {std::pair{"FALSE", 0}, std::pair{"TRUE", 1}}) {
      const auto value = static_cast<std::int8_t>(number);
      H5Tenum_insert(boolean, name, &value);
    }
    h5.set("mask", boolean, boolean, {3, 2}, std::vector<std::int8_t>{1, 0, 0, 1, 1, 1});
    H5Tclose(boolean);
  });
  const Dataset set = Dataset::open(options_of(path));
  EXPECT_TRUE(set.sample_shape().empty());
  EXPECT_THAT(sample_of(set, 2), ElementsAre(4));
  ASSERT_EQ(set.named_inputs().size(), 1U);
  std::vector<float> mask(2);
  set.read_named_input(0, 1, mask);
  EXPECT_THAT(mask, ElementsAre(0, 1));
}

TEST_F(DatasetTest, NamedInputsAreTheNumericDataSetsOfTheSameLength) {
  const auto path = file([](const Hdf5File& h5) {
    write_images(h5);
    h5.doubles("mask", {2, 3}, {1, 2, 3, 4, 5, 6});
    h5.integers("bias", {2}, {7, 8});
    h5.doubles("other", {3, 2}, {1, 2, 3, 4, 5, 6});  // another length
    h5.texts("class_names", 10);                      // no numbers
    h5.texts("sentences", 2);
    H5Gclose(H5Gcreate2(h5.id(), "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  });
  const Dataset set = Dataset::open(options_of(path));
  ASSERT_EQ(set.named_inputs().size(), 2U);
  EXPECT_EQ(set.named_inputs()[0].name, "bias");
  EXPECT_TRUE(set.named_inputs()[0].shape.empty());
  EXPECT_EQ(set.named_inputs()[1].name, "mask");
  EXPECT_THAT(set.named_inputs()[1].shape, ElementsAre(3));
  std::vector<float> one(1), three(3);
  set.read_named_input(0, 1, one);
  EXPECT_THAT(one, ElementsAre(8));
  set.read_named_input(1, 1, three);
  EXPECT_THAT(three, ElementsAre(4, 5, 6));
  EXPECT_THAT(message_of<DataError>([&] { set.read_named_input(1, 2, three); }),
              HasSubstr("sample 2 of 'mask'"));
  EXPECT_THAT(message_of<DataError>([&] { set.read_named_input(1, 0, one); }),
              HasSubstr("room for 1 values instead of 3"));
}

TEST_F(DatasetTest, ReadingOutsideIsRefused) {
  const Dataset set = Dataset::open(options_of(file(write_images)));
  std::vector<float> right(12), wrong(11);
  EXPECT_THAT(message_of<DataError>([&] { set.read_input(2, right); }), HasSubstr("sample 2 of 2"));
  EXPECT_THAT(message_of<DataError>([&] { set.read_input(-1, right); }),
              HasSubstr("sample -1 of 2"));
  EXPECT_THAT(message_of<DataError>([&] { set.read_input(0, wrong); }),
              HasSubstr("room for 11 values instead of 12"));
}

TEST_F(DatasetTest, CompressedDataAreRead) {
  const auto path = file([](const Hdf5File& h5) {
    const hid_t packed = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk[] = {1, 100000};
    H5Pset_chunk(packed, 2, chunk);
    H5Pset_deflate(packed, 9);
    // 32 MB of zeros, which deflate packs a thousand to one.
    h5.set("inputs", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {40, 100000},
           std::vector<double>(4'000'000), packed);
    H5Pclose(packed);
    h5.integers("labels", {40}, std::vector<std::int64_t>(40));
  });
  EXPECT_EQ(Dataset::open(options_of(path)).size(), 40);
}

// ---- what is refused in HDF5 ----

TEST_F(DatasetTest, CompressionThatTheLibraryLacks) {
  H5Z_class2_t filter{};
  filter.version = H5Z_CLASS_T_VERS;
  filter.id = 300;  // for tests, says the HDF5 Group
  filter.encoder_present = filter.decoder_present = 1;
  filter.name = "odd";
  filter.filter = [](unsigned, std::size_t, const unsigned*, std::size_t bytes, std::size_t*,
                     void**) { return bytes; };
  ASSERT_GE(H5Zregister(&filter), 0);
  const auto path = file([&](const Hdf5File& h5) {
    const hid_t packed = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk[] = {1, 4};
    H5Pset_chunk(packed, 2, chunk);
    H5Pset_filter(packed, filter.id, 0, 0, nullptr);
    h5.set("inputs", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {2, 4}, std::vector<double>(8), packed);
    H5Pclose(packed);
    h5.integers("labels", {2}, {0, 1});
  });
  EXPECT_EQ(Dataset::open(options_of(path)).size(), 2);
  ASSERT_GE(H5Zunregister(filter.id), 0);
  EXPECT_THAT(message_of<DataError>([&] { Dataset::open(options_of(path)); }),
              testing::AllOf(HasSubstr("compressed by filter 300 ('odd')"), HasSubstr("gzip")));
}

TEST_F(DatasetTest, MissingDataSets) {
  EXPECT_THAT(refusal([](const Hdf5File& h5) {
                h5.integers("x", {1, 1}, {0});
                h5.integers("y", {1}, {0});
              }),
              StartsWith("no data set 'inputs' (it has 'x', 'y')"));
  EXPECT_THAT(refusal([](const Hdf5File&) {}), StartsWith("no data set 'inputs'"));
  EXPECT_THAT(refusal([](const Hdf5File& h5) {
                h5.integers("inputs", {1, 1}, {0});
              }),
              StartsWith("no data set 'labels'"));
  EXPECT_THAT(refusal([](const Hdf5File& h5) {
                H5Gclose(H5Gcreate2(h5.id(), "inputs", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
                h5.integers("labels", {1}, {0});
              }),
              StartsWith("'inputs' is not a data set"));
}

TEST_F(DatasetTest, ShapesThatAreNone) {
  EXPECT_THAT(refusal([](const Hdf5File& h5) {
                h5.integers("inputs", {}, {0});
                h5.integers("labels", {1}, {0});
              }),
              StartsWith("inputs have no axes"));
  for (const std::vector<hsize_t>& empty :
       {std::vector<hsize_t>{0, 3}, std::vector<hsize_t>{3, 0}}) {
    EXPECT_THAT(refusal([&](const Hdf5File& h5) {
                  h5.integers("inputs", empty, {});
                  h5.integers("labels", {1}, {0});
                }),
                StartsWith("no inputs"));
  }
  EXPECT_THAT(refusal([](const Hdf5File& h5) {
                h5.texts("inputs", 2);
                h5.integers("labels", {2}, {0, 0});
              }),
              StartsWith("'inputs' holds neither integers nor real numbers"));
}

// A header may claim what it likes.
TEST_F(DatasetTest, AbsurdSizesAreNotAllocated) {
  for (const std::vector<hsize_t>& extents :
       {std::vector<hsize_t>{1ULL << 40, 1ULL << 40}, std::vector<hsize_t>{1000, 1'000'000},
        std::vector<hsize_t>{1ULL << 33, 2}}) {
    EXPECT_THAT(refusal([&](const Hdf5File& h5) {
                  const hid_t chunked = H5Pcreate(H5P_DATASET_CREATE);
                  const hsize_t chunk[] = {1, 1};
                  H5Pset_chunk(chunked, 2, chunk);
                  h5.set("inputs", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, extents,
                         std::vector<double>{}, chunked);
                  H5Pclose(chunked);
                  h5.integers("labels", {1}, {0});
                }),
                StartsWith("'inputs' claims more values than the file can hold"));
  }
}

TEST_F(DatasetTest, DataInOtherFilesAreRefused) {
  const auto other = file(write_images);
  EXPECT_THAT(refusal([&](const Hdf5File& h5) {
                H5Lcreate_external(other.c_str(), "/inputs", h5.id(), "inputs", H5P_DEFAULT,
                                   H5P_DEFAULT);
                h5.integers("labels", {2}, {0, 1});
              }),
              StartsWith("the values of 'inputs' lie in another file"));
  const auto raw = folder_.write("raw", std::string(12, 'x'));
  EXPECT_THAT(refusal([&](const Hdf5File& h5) {
                const hid_t external = H5Pcreate(H5P_DATASET_CREATE);
                H5Pset_external(external, raw.c_str(), 0, 12);
                h5.set("inputs", H5T_STD_U8LE, H5T_NATIVE_UINT8, {2, 6},
                       std::vector<std::uint8_t>{}, external);
                H5Pclose(external);
                h5.integers("labels", {2}, {0, 1});
              }),
              StartsWith("the values of 'inputs' lie in another file"));
}

TEST_F(DatasetTest, InputsMustBeFinite) {
  const double infinite = std::numeric_limits<double>::infinity();
  for (const double value : {infinite, -infinite, std::nan("")}) {
    EXPECT_THAT(refusal([&](const Hdf5File& h5) {
                  h5.doubles("inputs", {2, 3}, {0, 0, 0, 0, value, 0});
                  h5.integers("labels", {2}, {0, 0});
                }),
                StartsWith(fmt::format("inputs: element 1 of sample 1 is {}", value)));
  }
  EXPECT_THAT(refusal([&](const Hdf5File& h5) {
                h5.doubles("inputs", {1, 2}, {1e300, 0});
                h5.integers("labels", {1}, {0});
              }),
              StartsWith("inputs of channel 0 reach 1e+300 once normalised"));
}

TEST_F(DatasetTest, NormalisationThatMakesNoSense) {
  const auto with = [&](const char* name, const std::vector<double>& values) {
    return refusal([&](const Hdf5File& h5) {
      write_images(h5);
      h5.attribute("inputs", name, values);
    });
  };
  EXPECT_THAT(with("mean", {1, 2}), StartsWith("mean has 2 numbers for 3 channels"));
  EXPECT_THAT(with("std", {1, 2, 3, 4}), StartsWith("std has 4 numbers for 3 channels"));
  EXPECT_THAT(with("std", {1, 0, 3}), StartsWith("std of channel 1 is 0"));
  EXPECT_THAT(with("std", {-1}), StartsWith("std of channel 0 is -1"));
  EXPECT_THAT(with("std", {1e-300}), StartsWith("inputs of channel 0 reach inf once normalised"));
  EXPECT_THAT(with("mean", {std::nan("")}), StartsWith("mean is nan"));
  EXPECT_THAT(with("scale", {std::numeric_limits<double>::infinity()}), StartsWith("scale is inf"));
  EXPECT_THAT(refusal([](const Hdf5File& h5) {
                write_images(h5);
                h5.text_attribute("inputs", "mean");
              }),
              StartsWith("attribute 'mean' of 'inputs' is not numeric"));
  DatasetOptions options;
  options.mean = {1, 2};
  EXPECT_THAT(refusal(write_images, options), StartsWith("mean has 2 numbers for 3 channels"));
}

TEST_F(DatasetTest, LabelsMayBeAColumn) {
  const auto path = file([](const Hdf5File& h5) {
    h5.integers("inputs", {2, 1}, {0, 0});
    h5.integers("labels", {2, 1}, {3, 1});
  });
  const Dataset set = Dataset::open(options_of(path));
  EXPECT_EQ(set.label(0), 3);
  EXPECT_EQ(set.label(1), 1);
}

TEST_F(DatasetTest, Labels) {
  const auto with = [&](const std::vector<hsize_t>& extents, const std::vector<double>& values,
                        DatasetOptions options = {}, double classes = 0) {
    return refusal(
        [&](const Hdf5File& h5) {
          h5.integers("inputs", {2, 1}, {0, 0});
          h5.doubles("labels", extents, values);
          if (classes != 0) h5.attribute("/", "classes", {classes});
        },
        options);
  };
  EXPECT_THAT(with({2, 2}, {0, 1, 1, 0}),
              testing::AllOf(StartsWith("labels have 2 axes"), HasSubstr("one-hot")));
  EXPECT_THAT(with({2, 1, 1}, {0, 1}), StartsWith("labels have 3 axes"));
  EXPECT_THAT(with({3}, {0, 1, 2}), StartsWith("3 labels for 2 inputs"));
  EXPECT_THAT(with({2}, {0, -1}), StartsWith("label -1 of sample 1 is outside 0 to 2147483646"));
  EXPECT_THAT(with({2}, {0, 1.5}), StartsWith("label 1.5 of sample 1 is outside"));
  EXPECT_THAT(with({2}, {std::nan(""), 0}), StartsWith("label nan of sample 0 is outside"));
  EXPECT_THAT(with({2}, {0, 1e18}), StartsWith("label 1e+18 of sample 1 is outside"));
  EXPECT_THAT(with({2}, {0, 10}, {}, 10), StartsWith("label 10 of sample 1 is outside 0 to 9."));
  DatasetOptions options;
  options.label_offset = -1;
  EXPECT_THAT(with({2}, {1, 0}, options, 10),
              StartsWith("label -1 of sample 1 is outside 0 to 9 (label_offset -1 applied)"));
  for (const double classes : {-1.0, 2.5, 1e10}) {
    EXPECT_THAT(with({2}, {0, 1}, {}, classes),
                StartsWith(fmt::format("attribute 'classes' of the file is {}", classes)));
  }
}

TEST_F(DatasetTest, LabelsOfTextAndLabelsFile) {
  EXPECT_THAT(refusal([](const Hdf5File& h5) {
                h5.integers("inputs", {2, 1}, {0, 0});
                h5.texts("labels", 2);
              }),
              StartsWith("'labels' holds neither integers nor real numbers"));
  DatasetOptions options;
  options.labels_file = "labels.idx";
  EXPECT_THAT(refusal(write_images, options), StartsWith("labels_file for an HDF5 data set"));
}

TEST_F(DatasetTest, TruncatedFiles) {
  const auto whole = file([](const Hdf5File& h5) {
    h5.doubles("inputs", {100, 10}, std::vector<double>(1000, 1));
    h5.integers("labels", {100}, std::vector<std::int64_t>(100));
  });
  const auto size = std::filesystem::file_size(whole);
  for (const std::uintmax_t kept : {size - 1, size / 2, std::uintmax_t{100}, std::uintmax_t{8}}) {
    const auto copy = folder_.path() / "cut.h5";
    std::filesystem::copy_file(whole, copy, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(copy, kept);
    EXPECT_THAT(message_of<DataError>([&] { Dataset::open(options_of(copy)); }),
                AllOf(StartsWith(copy.string() + ": the HDF5 file cannot be opened ("),
                      HasSubstr("downloaded whole")))
        << kept;
  }
}

TEST_F(DatasetTest, FilesThatAreNone) {
  const auto missing = folder_.path() / "missing.h5";
  EXPECT_THAT(message_of<DataError>([&] { Dataset::open(options_of(missing)); }),
              StartsWith(missing.string() + ": no such file"));
  EXPECT_THAT(message_of<DataError>([&] { Dataset::open(options_of(folder_.path())); }),
              HasSubstr("a directory"));
  for (const std::string& text :
       {std::string(), std::string("hello"), std::string("\0\1\x08\1", 4)}) {
    const auto path = folder_.write("other", text);
    EXPECT_THAT(message_of<DataError>([&] { Dataset::open(options_of(path)); }),
                StartsWith(path.string() + ": neither HDF5 nor IDX"));
  }
}

// ---- IDX ----

std::string idx(const std::vector<std::uint32_t>& shape, const std::string& values, char type = 8) {
  std::string text{'\0', '\0', type, static_cast<char>(shape.size())};
  for (const std::uint32_t extent : shape) {
    for (int shift = 24; shift >= 0; shift -= 8)
      text += static_cast<char>((extent >> shift) & 255U);
  }
  return text + values;
}

void write_gzip(const std::filesystem::path& path, const std::string& text) {
  const gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
}

TEST_F(DatasetTest, IdxPlainAndGzipped) {
  const std::string images = idx({2, 2, 2}, std::string("\0\x33\x66\xff\x10\x20\x30\x40", 8));
  const std::string labels = idx({2}, std::string("\3\1", 2));
  DatasetOptions options;
  for (const bool gzipped : {false, true}) {
    options.file = folder_.path() / (gzipped ? "images.gz" : "images");
    options.labels_file = folder_.path() / (gzipped ? "labels.gz" : "labels");
    if (gzipped) {
      write_gzip(options.file, images);
      write_gzip(options.labels_file, labels);
    } else {
      folder_.write("images", images);
      folder_.write("labels", labels);
    }
    options.mean = {};
    options.std = {};
    const Dataset set = Dataset::open(options);
    EXPECT_THAT(set.sample_shape(), ElementsAre(1, 2, 2));
    EXPECT_EQ(set.label(0), 3);
    EXPECT_EQ(set.label(1), 1);
    const auto values = sample_of(set, 0);
    EXPECT_FLOAT_EQ(values[1], 0x33 / 255.0f);
    EXPECT_FLOAT_EQ(values[3], 1);
    options.mean = {0.5};
    options.std = {0.25};
    EXPECT_FLOAT_EQ(sample_of(Dataset::open(options), 0)[3], 2);
  }
}

TEST_F(DatasetTest, IdxThatIsBroken) {
  const auto labels = folder_.write("labels", idx({2}, std::string("\0\0", 2)));
  const auto refused = [&](const std::string& text, const std::filesystem::path& label_file) {
    DatasetOptions options;
    options.file = folder_.write("images", text);
    options.labels_file = label_file;
    return message_of<DataError>([&] { Dataset::open(options); });
  };
  const std::string place = (folder_.path() / "images").string() + ": ";
  const std::string good = idx({2, 1, 1}, "ab");
  EXPECT_THAT(refused(good, ""), StartsWith(place + "no labels (an IDX file holds one array)"));
  EXPECT_THAT(refused(idx({2, 1, 1}, "a"), labels),
              StartsWith(place + "1 values where the header says 2"));
  EXPECT_THAT(refused(idx({2, 1, 1}, "abc"), labels),
              StartsWith(place + "more values where the header says 2"));
  EXPECT_THAT(refused(idx({2}, "ab", 0x0d), labels), StartsWith(place + "IDX element type 0x0d"));
  EXPECT_THAT(refused(idx({}, ""), labels), StartsWith(place + "the IDX header is truncated"));
  EXPECT_THAT(refused(good.substr(0, 9), labels),
              StartsWith(place + "the IDX header is truncated"));
  EXPECT_THAT(refused(idx({4294967295, 4294967295, 4294967295}, "ab"), labels),
              StartsWith(place + "the IDX header claims more values than can be read"));
  EXPECT_THAT(refused(idx({0, 1, 1}, ""), labels), StartsWith(place + "no inputs"));
  EXPECT_THAT(refused(idx({3, 1, 1}, "abc"), labels), StartsWith(place + "2 labels for 3 inputs"));
  const auto missing = folder_.path() / "missing";
  EXPECT_THAT(refused(good, missing), StartsWith(missing.string() + ": no such file"));
  EXPECT_THAT(refused(good, folder_.path()), HasSubstr("a directory"));
  EXPECT_THAT(refused(good, folder_.write("hello", "hello")), HasSubstr("neither HDF5 nor IDX"));
}

TEST_F(DatasetTest, BrokenGzip) {
  const auto labels = folder_.write("labels", idx({1}, std::string(1, '\0')));
  const auto images = folder_.path() / "images.gz";
  std::string noise;
  for (std::uint32_t i = 0; i < 4000; ++i) noise += static_cast<char>((i * 2654435761U) >> 13U);
  write_gzip(images, idx({1, 50, 80}, noise));
  DatasetOptions options;
  options.file = images;
  options.labels_file = labels;
  EXPECT_EQ(Dataset::open(options).size(), 1);
  std::filesystem::resize_file(images, std::filesystem::file_size(images) / 2);
  EXPECT_THAT(message_of<DataError>([&] { Dataset::open(options); }),
              StartsWith(images.string() + ": the gzip stream is broken"));
}

}  // namespace
}  // namespace attojoule::data
