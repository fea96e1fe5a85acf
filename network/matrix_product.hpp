// A matrix product of the network, as the optical hardware sees it: Y[P x C] = X[P x D] W[D x C].
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attojoule::network {

enum class ProductKind {
  conv,       // convolution over all channels
  depthwise,  // one input channel for each output channel
  grouped,    // groups of channels in between
  dense,      // constant weights times a vector or rows of vectors
  dynamic,    // both operands are computed (attention)
};
const char* to_string(ProductKind kind);

struct MatrixProduct {
  std::string name;  // of its ONNX node
  ProductKind kind = ProductKind::dense;
  std::int64_t positions = 0;   // P: outputs per output channel and sample (pixels, rows)
  std::int64_t channels = 0;    // C: output channels (all matrices of a dynamic product together)
  std::int64_t groups = 1;      // of channels, each with inputs of its own
  std::int64_t stack = 1;       // of positions, each with weights of its own (dynamic products)
  std::int64_t dot_length = 0;  // D: multiplications of one output
  // Per sample. Zero padding is multiplied like any other input.
  std::int64_t macs() const { return outputs() * dot_length; }
  std::int64_t outputs() const { return positions * channels; }

  // Constant weights only (empty or 0 for dynamic products):
  std::vector<double> weight_norms;  // |w_c|^2 of every output channel
  std::vector<float> weight_lows;    // smallest and largest weight of every output channel
  std::vector<float> weight_highs;
  double weight_absolute_maximum = 0;
  double weight_low = 0;  // of the whole product
  double weight_high = 0;
};

}  // namespace attojoule::network
