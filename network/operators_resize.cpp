// Resize and Upsample: interpolation along each axis in turn.
//
// ONNX leaves open how coordinates round; here they are single precision, as in ONNX Runtime, so
// that an element in the middle between two goes to the same side.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "network/operators.hpp"

namespace attojoule::network {
namespace {

constexpr std::int64_t largest_extent = 1 << 20;

struct ResizeRequest {
  std::string mode, coordinates, rounding;
  double cubic = -0.75;
  bool exclude_outside = false;
  Shape output;
  std::vector<float> scales;        // of every axis
  std::vector<bool> exact;          // scale is output / input
  std::vector<float> begins, ends;  // tf_crop_and_resize
};

// Upsample scales by an attribute up to opset 8 and by an input in 9; Resize by its second input in
// opset 10, and by its third or, in extents, its fourth after.
ResizeRequest resize_request(const OperatorCall& call) {
  const bool upsample = call.node().op == "Upsample";
  const bool old = upsample || call.opset() < 11;
  const Shape& input = call.shape(0);
  const std::size_t rank = input.size();
  ResizeRequest request;
  request.mode = call.text("mode", "nearest");
  request.coordinates =
      old ? "asymmetric" : call.text("coordinate_transformation_mode", "half_pixel");
  request.rounding = old ? "simple" : call.text("nearest_mode", "round_prefer_floor");
  request.cubic = call.real("cubic_coeff_a", -0.75);
  request.exclude_outside = call.integer("exclude_outside", 0) != 0;
  if (request.mode == "bilinear") request.mode = "linear";  // Upsample 7
  static constexpr std::array modes{"nearest", "linear", "cubic"};
  static constexpr std::array coordinates{"half_pixel",         "pytorch_half_pixel",
                                          "align_corners",      "asymmetric",
                                          "tf_crop_and_resize", "tf_half_pixel_for_nn"};
  static constexpr std::array roundings{"round_prefer_floor", "round_prefer_ceil", "floor", "ceil",
                                        "simple"};
  const auto require = [&](const char* what, const std::string& given, const auto& known) {
    if (std::find(known.begin(), known.end(), given) != known.end()) return;
    call.fail(fmt::format("{} '{}' (known: {})", what, given, fmt::join(known, ", ")),
              "Export with one of these");
  };
  require("mode", request.mode, modes);
  require("coordinate_transformation_mode", request.coordinates, coordinates);
  require("nearest_mode", request.rounding, roundings);

  std::vector<std::int64_t> axes;
  for (std::size_t i = 0; i < rank; ++i) axes.push_back(static_cast<std::int64_t>(i));
  if (call.has_attribute("axes")) {
    axes = call.integers("axes", {});
    for (auto& axis : axes) axis = call.axis(axis, call.rank(0));
  }
  request.output = input;
  request.scales.assign(rank, 1.0f);
  request.exact.assign(rank, true);
  request.begins.assign(rank, 0.0f);
  request.ends.assign(rank, 1.0f);
  const std::size_t scale_input = upsample || call.opset() < 11 ? 1 : 2;
  std::vector<double> scales =
      call.has_input(scale_input) ? call.constant_numbers(scale_input) : call.reals("scales");
  std::vector<std::int64_t> sizes;
  if (!old && call.has_input(3)) sizes = call.constant_integers(3);
  if (scales.empty() == sizes.empty()) {
    call.fail("needs either scales or sizes", "Export the model again");
  }
  if (std::max(scales.size(), sizes.size()) != axes.size()) {
    call.fail(fmt::format("{} scales or sizes for {} axes", std::max(scales.size(), sizes.size()),
                          axes.size()),
              "Export the model again");
  }
  if (!sizes.empty()) {
    const std::string policy = call.text("keep_aspect_ratio_policy", "stretch");
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const auto axis = static_cast<std::size_t>(axes[i]);
      if (input[axis] < 1 || sizes[i] < 0 || sizes[i] > largest_extent) {
        call.fail(fmt::format("an axis of {} to {}", input[axis], sizes[i]),
                  "Check the input's shape against the model");
      }
    }
    if (policy == "not_larger" || policy == "not_smaller") {
      float common = policy == "not_larger" ? std::numeric_limits<float>::max() : 0.0f;
      for (std::size_t i = 0; i < axes.size(); ++i) {
        const float scale = static_cast<float>(sizes[i]) /
                            static_cast<float>(input[static_cast<std::size_t>(axes[i])]);
        common = policy == "not_larger" ? std::min(common, scale) : std::max(common, scale);
      }
      for (std::size_t i = 0; i < axes.size(); ++i) {
        const auto axis = static_cast<std::size_t>(axes[i]);
        request.output[axis] =
            std::llround(static_cast<double>(common) * static_cast<double>(input[axis]));
        request.scales[axis] = common;
        request.exact[axis] = false;
      }
    } else if (policy == "stretch") {
      for (std::size_t i = 0; i < axes.size(); ++i) {
        const auto axis = static_cast<std::size_t>(axes[i]);
        request.output[axis] = sizes[i];
        request.scales[axis] = static_cast<float>(sizes[i]) / static_cast<float>(input[axis]);
      }
    } else {
      call.fail(fmt::format("keep_aspect_ratio_policy '{}'", policy), "Export the model again");
    }
  } else {
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const auto axis = static_cast<std::size_t>(axes[i]);
      const auto scale = static_cast<float>(scales[i]);
      const double extent = std::floor(static_cast<float>(static_cast<float>(input[axis]) * scale));
      if (!(scale > 0) || !(extent <= static_cast<double>(largest_extent))) {
        call.fail(fmt::format("scale {} of an axis of {}", scale, input[axis]),
                  "Export the model again");
      }
      request.output[axis] = static_cast<std::int64_t>(extent);
      request.scales[axis] = scale;
      request.exact[axis] =
          scale * static_cast<float>(input[axis]) == static_cast<float>(request.output[axis]);
    }
  }
  if (call.integer("antialias", 0) != 0) {
    for (const float scale : request.scales) {
      if (scale < 1) {
        call.fail("antialiasing of a reduction", "Export with antialias = 0");
      }
    }
  }
  if (request.coordinates == "tf_crop_and_resize") {
    const auto region = call.constant_numbers(1);
    if (region.size() != 2 * axes.size()) {
      call.fail(fmt::format("a region of {} numbers for {} axes", region.size(), axes.size()),
                "Export the model again");
    }
    for (std::size_t i = 0; i < axes.size(); ++i) {
      request.begins[static_cast<std::size_t>(axes[i])] = static_cast<float>(region[i]);
      request.ends[static_cast<std::size_t>(axes[i])] = static_cast<float>(region[axes.size() + i]);
    }
  }
  return request;
}

// Where in the input an output element lies.
float source_position(const ResizeRequest& request, std::size_t axis, std::int64_t in,
                      std::int64_t element) {
  const std::int64_t out = request.output[axis];
  const float scale = request.scales[axis];
  const auto i = static_cast<float>(element);
  if (request.coordinates == "asymmetric") return i / scale;
  if (request.coordinates == "pytorch_half_pixel") {
    return out > 1 ? (i + 0.5f) / scale - 0.5f : 0.0f;
  }
  if (request.coordinates == "align_corners") {
    return out == 1 ? 0.0f : i * static_cast<float>(in - 1) / static_cast<float>(out - 1);
  }
  if (request.coordinates == "tf_half_pixel_for_nn") return (i + 0.5f) / scale;
  if (request.coordinates == "tf_crop_and_resize") {
    const float begin = request.begins[axis];
    const float end = request.ends[axis];
    const auto reach = static_cast<float>(in - 1);
    return out > 1 ? begin * reach + i * (end - begin) * reach / static_cast<float>(out - 1)
                   : 0.5f * (begin + end) * reach;
  }
  return (i + 0.5f) / scale - 0.5f;
}

std::int64_t nearest(const ResizeRequest& request, float scale, float position) {
  const float whole = std::floor(position);
  float chosen = whole;
  if (request.rounding == "simple") {
    chosen = scale < 1 ? std::ceil(position) : std::trunc(position);
  } else if (request.rounding == "ceil") {
    chosen = std::ceil(position);
  } else if (request.rounding != "floor") {
    const bool up = request.rounding == "round_prefer_ceil" ? position - whole >= 0.5f
                                                            : position - whole > 0.5f;
    chosen = up ? whole + 1 : whole;
  }
  return static_cast<std::int64_t>(chosen);
}

// Keys' cubic convolution (IEEE Trans. Acoust. 29, 1153, 1981) with its free coefficient a.
std::array<double, 4> cubic_weights(double t, double a) {
  const auto near = [a](double x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
  const auto far = [a](double x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
  return {far(1 + t), near(t), near(1 - t), far(2 - t)};
}

std::vector<ValueInfo> infer_resize(const OperatorCall& call) {
  ResizeRequest request = resize_request(call);
  if (call.type(0) != ElementType::real && request.mode != "nearest") {
    call.fail("interpolation of integers", "Export the model in float32");
  }
  for (std::size_t i = 0; i < request.output.size(); ++i) {
    if (request.output[i] > 0 && call.shape(0)[i] < 1) {
      call.fail("an axis without elements", "Check the input's shape against the model");
    }
  }
  return {{call.type(0), request.output}};
}

void evaluate_resize(const OperatorCall& call, const InputTensors& in,
                     std::vector<DoubleTensor>& out) {
  const auto axes = resize_axes(call);
  const double outside = call.real("extrapolation_value", 0);
  Shape shape = in[0]->shape;
  std::vector<double> values = in[0]->values;
  for (const std::size_t axis : shrinking_first(shape, out[0].shape)) {
    if (axes[axis].is_copy) continue;
    std::int64_t outer = 1;
    std::int64_t inner = 1;
    for (std::size_t i = 0; i < axis; ++i) outer *= shape[i];
    for (std::size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
    const std::int64_t extent = shape[axis];
    const auto& taps = axes[axis].taps;
    const auto wanted = static_cast<std::int64_t>(taps.size());
    std::vector<double> resized(static_cast<std::size_t>(outer * wanted * inner), 0.0);
    for (std::int64_t o = 0; o < outer; ++o) {
      for (std::int64_t k = 0; k < wanted; ++k) {
        double* target = resized.data() + (o * wanted + k) * inner;
        for (const ResizeTap& tap : taps[static_cast<std::size_t>(k)]) {
          const double* source = values.data() + (o * extent + tap.index) * inner;
          for (std::int64_t i = 0; i < inner; ++i) target[i] += tap.weight * source[i];
        }
      }
    }
    values = std::move(resized);
    shape[axis] = wanted;
  }
  for_each_index(shape, [&](std::size_t flat, const Shape& index) {
    for (std::size_t axis = 0; axis < axes.size(); ++axis) {
      if (!axes[axis].is_copy && axes[axis].taps[static_cast<std::size_t>(index[axis])].empty()) {
        values[flat] = outside;
      }
    }
  });
  out[0].values = std::move(values);
}

const std::array operators{
    Operator{"Resize", 1, 4, infer_resize, evaluate_resize},
    Operator{"Upsample", 1, 2, infer_resize, evaluate_resize},
};

}  // namespace

std::vector<ResizeAxis> resize_axes(const OperatorCall& call) {
  const ResizeRequest request = resize_request(call);
  const Shape& input = call.shape(0);
  std::vector<ResizeAxis> result(input.size());
  const bool extrapolates = request.coordinates == "tf_crop_and_resize";
  const bool takes_nearest = request.mode == "nearest";
  const bool is_linear = request.mode == "linear";
  for (std::size_t axis = 0; axis < input.size(); ++axis) {
    const std::int64_t in = input[axis];
    const std::int64_t out = request.output[axis];
    const float scale = request.scales[axis];
    const bool crops = extrapolates && (request.begins[axis] != 0 || request.ends[axis] != 1);
    ResizeAxis& wanted = result[axis];
    wanted.is_copy = in == out && scale == 1 && !crops;
    if (wanted.is_copy) continue;
    wanted.is_half_pixel_linear = is_linear && request.exact[axis] &&
                                  (request.coordinates == "half_pixel" ||
                                   (request.coordinates == "pytorch_half_pixel" && out > 1));
    const auto last = in - 1;
    wanted.taps.resize(static_cast<std::size_t>(out));
    for (std::int64_t i = 0; i < out; ++i) {
      auto& taps = wanted.taps[static_cast<std::size_t>(i)];
      float position = source_position(request, axis, in, i);
      if (extrapolates && !(position >= 0 && position <= static_cast<float>(last))) {
        continue;
      }
      if (takes_nearest) {
        taps.push_back({std::clamp<std::int64_t>(nearest(request, scale, position), 0, last), 1.0});
      } else if (is_linear) {
        position = std::clamp(position, 0.0f, static_cast<float>(last));
        const auto left = std::min(static_cast<std::int64_t>(position), last);
        const std::int64_t right = std::min(left + 1, last);
        const double share = static_cast<double>(position) - static_cast<double>(left);
        taps.push_back({left, left == right ? 1.0 : 1 - share});
        if (left != right) taps.push_back({right, share});
      } else {
        const auto first = static_cast<std::int64_t>(std::floor(position)) - 1;
        auto weights =
            cubic_weights(static_cast<double>(position) - std::floor(position), request.cubic);
        double sum = 1;
        if (request.exclude_outside) {
          sum = 0;
          for (std::size_t k = 0; k < 4; ++k) {
            const std::int64_t at = first + static_cast<std::int64_t>(k);
            if (at < 0 || at > last) weights[k] = 0;
            sum += weights[k];
          }
        }
        for (std::size_t k = 0; k < 4; ++k) {
          const std::int64_t at = first + static_cast<std::int64_t>(k);
          taps.push_back({std::clamp<std::int64_t>(at, 0, last), weights[k] / sum});
        }
      }
    }
  }
  return result;
}

std::vector<std::size_t> shrinking_first(const Shape& from, const Shape& to) {
  std::vector<std::size_t> order(from.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_partition(order.begin(), order.end(),
                        [&](std::size_t axis) { return to[axis] < from[axis]; });
  return order;
}

std::span<const Operator> resize_operators() {
  return operators;
}

}  // namespace attojoule::network
