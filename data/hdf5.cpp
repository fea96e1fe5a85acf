#include "data/hdf5.hpp"

namespace attojoule::data {

std::unique_lock<std::recursive_mutex> hdf5_lock() {
  static std::recursive_mutex mutex;
  std::unique_lock lock(mutex);
  // Errors are reported by exceptions, never printed by the library.
  static const herr_t silenced = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  static_cast<void>(silenced);
  return lock;
}

std::string hdf5_error() {
  std::string text;
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned, const H5E_error2_t* error, void* client) -> herr_t {
        auto& result = *static_cast<std::string*>(client);
        // The first entry is the deepest: what happened, not where it was noticed.
        if (result.empty() && error->desc != nullptr) result = error->desc;
        return 0;
      },
      &text);
  return text.empty() ? "unknown error" : text;
}

}  // namespace attojoule::data
