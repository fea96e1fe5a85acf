// Small data sets in HDF5, right and wrong ones.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "data/hdf5.hpp"

namespace attojoule::tests {

class Hdf5Dataset {
 public:
  explicit Hdf5Dataset(const std::filesystem::path& path)
      : file_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose) {
    if (!file_) throw std::runtime_error("cannot create " + path.string());
  }

  template <class T>
  Hdf5Dataset& write(const std::string& name, const std::vector<std::int64_t>& shape,
                     const std::vector<T>& values) {
    const std::vector<hsize_t> extents(shape.begin(), shape.end());
    const data::Hdf5Handle space(
        H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), H5Sclose);
    const data::Hdf5Handle set(H5Dcreate2(file_.get(), name.c_str(), type<T>(), space.get(),
                                          H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                               H5Dclose);
    check(H5Dwrite(set.get(), type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
    return *this;
  }

  // Of a data set, or of the file ("/").
  Hdf5Dataset& attribute(const std::string& object, const std::string& name, double value) {
    const data::Hdf5Handle target(H5Oopen(file_.get(), object.c_str(), H5P_DEFAULT), H5Oclose);
    const data::Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose);
    const data::Hdf5Handle handle(H5Acreate2(target.get(), name.c_str(), H5T_NATIVE_DOUBLE,
                                             space.get(), H5P_DEFAULT, H5P_DEFAULT),
                                  H5Aclose);
    check(H5Awrite(handle.get(), H5T_NATIVE_DOUBLE, &value));
    return *this;
  }

 private:
  template <class T>
  static hid_t type() {
    if constexpr (std::is_same_v<T, float>) return H5T_NATIVE_FLOAT;
    if constexpr (std::is_same_v<T, std::uint8_t>) return H5T_NATIVE_UINT8;
    if constexpr (std::is_same_v<T, int>) return H5T_NATIVE_INT;
    if constexpr (std::is_same_v<T, std::int64_t>) return H5T_NATIVE_INT64;
    return H5I_INVALID_HID;
  }
  static void check(herr_t status) {
    if (status < 0) throw std::runtime_error("HDF5 cannot write");
  }

  data::Hdf5Handle file_;
};

}  // namespace attojoule::tests
