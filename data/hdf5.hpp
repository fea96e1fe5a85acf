// HDF5's C library with owners for its handles and exceptions for its errors. Internal to data/.
//
// Debian's serial HDF5 is not thread-safe: every use of the library, from the opening of a handle
// to its close, happens under hdf5_lock().
#pragma once

#include <hdf5.h>

#include <mutex>
#include <string>
#include <utility>

namespace attojoule::data {

// Held while HDF5 is used. Recursive: handles close themselves under it, too.
std::unique_lock<std::recursive_mutex> hdf5_lock();

// What HDF5 says went wrong last (its error stack in one line), or "unknown error".
std::string hdf5_error();

// Owner of an HDF5 identifier.
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Hdf5Handle() = default;
  Hdf5Handle(hid_t id, Close close) : id_(id), close_(close) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Hdf5Handle() { reset(); }

  void reset() {
    if (id_ < 0) return;
    const auto lock = hdf5_lock();
    close_(std::exchange(id_, H5I_INVALID_HID));
  }
  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

}  // namespace attojoule::data
