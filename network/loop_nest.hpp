// Loops over strided arrays. Internal to network/.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "network/tensor.hpp"

namespace attojoule::network {

inline bool is_empty(const Shape& shape) {
  return std::find(shape.begin(), shape.end(), 0) != shape.end();
}

// The loops of a strided operation on several arrays, outermost first: axes of extent 1 are
// dropped, axes that are contiguous in every array are joined.
template <std::size_t arrays>
struct LoopNest {
  struct Axis {
    std::int64_t extent;
    std::array<std::int64_t, arrays> strides;
  };
  std::vector<Axis> axes;

  LoopNest(const Shape& shape, const std::array<const Shape*, arrays>& strides) {
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] == 1) continue;
      Axis axis{shape[i], {}};
      for (std::size_t k = 0; k < arrays; ++k) axis.strides[k] = (*strides[k])[i];
      axes.push_back(axis);
    }
    // The order of the last array's memory: its writes are then sequential.
    std::stable_sort(axes.begin(), axes.end(), [](const Axis& a, const Axis& b) {
      return a.strides[arrays - 1] > b.strides[arrays - 1];
    });
    for (std::size_t i = 0; i + 1 < axes.size();) {
      bool joined = true;
      for (std::size_t k = 0; k < arrays; ++k) {
        joined = joined && axes[i].strides[k] == axes[i + 1].strides[k] * axes[i + 1].extent;
      }
      if (joined) {
        axes[i].extent *= axes[i + 1].extent;
        axes[i].strides = axes[i + 1].strides;
        axes.erase(axes.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      } else {
        ++i;
      }
    }
    if (axes.empty()) axes.push_back({1, {}});
  }

  // Calls body(offsets) for every combination of the axes but the innermost.
  template <class Body>
  void for_each_run(Body body) const {
    std::array<std::int64_t, arrays> offsets{};
    std::vector<std::int64_t> index(axes.size() - 1, 0);
    while (true) {
      body(offsets);
      std::size_t axis = index.size();
      while (axis-- > 0) {
        for (std::size_t k = 0; k < arrays; ++k) offsets[k] += axes[axis].strides[k];
        if (++index[axis] < axes[axis].extent) break;
        for (std::size_t k = 0; k < arrays; ++k) {
          offsets[k] -= axes[axis].strides[k] * axes[axis].extent;
        }
        index[axis] = 0;
      }
      if (axis == static_cast<std::size_t>(-1)) return;
    }
  }
};

}  // namespace attojoule::network
