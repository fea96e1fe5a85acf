// From a graph to the steps of a program: views, fusion, primitives, memory.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "network/digital_fusion.hpp"
#include "network/single_thread.hpp"
#include "network/steps.hpp"
#include "photonics/error.hpp"

namespace attojoule::network {
namespace {

using dnnl::memory;

constexpr int forever = std::numeric_limits<int>::max();

Shape channels_last_strides(const Shape& shape) {
  // (N, C, spatial…) stored as (N, spatial…, C).
  Shape strides(shape.size());
  std::int64_t stride = shape[1];
  strides[1] = 1;
  for (std::size_t axis = shape.size(); axis-- > 2;) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  strides[0] = stride;
  return strides;
}

bool same_layout(const Shape& shape, const Shape& a, const Shape& b) {
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != 1 && a[i] != b[i]) return false;
  }
  return true;
}

// Products of unsigned by signed bytes are exact only where the processor sums them in 32 bits;
// older instructions saturate at 16.
bool has_exact_byte_products() {
  using dnnl::cpu_isa;
  switch (dnnl::get_effective_cpu_isa()) {
    case cpu_isa::avx512_core_vnni:
    case cpu_isa::avx512_core_bf16:
    case cpu_isa::avx512_core_amx:
    case cpu_isa::avx2_vnni:
      return true;
    default:
      return false;
  }
}

class Lowering {
 public:
  Lowering(Graph graph, const ProgramOptions& options, Program::State& state)
      : options_(options), state_(state) {
    graph_ = &graph;
    state_.gradients = options.gradients;
    run();
  }

 private:
  // Constants up to this size may decide shapes (Reshape, Slice) and are kept for plain steps.
  static constexpr std::int64_t small_constant = 64;

  [[noreturn]] void fail(const Node& node, const std::string& problem,
                         const std::string& remedy) const {
    OperatorCall(*graph_, node).fail(problem, remedy);
  }

  void run() {
    const SingleThread planning;
    views_.resize(graph_->values.size());
    readers_.resize(graph_->values.size());
    for (std::size_t i = 0; i < graph_->nodes.size(); ++i) {
      for (const ValueId input : graph_->nodes[i].inputs) {
        if (input != no_value) readers_[index(input)].push_back(static_cast<int>(i));
      }
    }
    pending_graph_output_.assign(graph_->values.size(), false);
    for (const ValueId output : graph_->outputs) pending_graph_output_[index(output)] = true;
    for (const ValueId input : graph_->inputs) {
      const View view = fresh_view(graph_->value(input).shape, false);
      state_.buffers[static_cast<std::size_t>(view.place.buffer)].first = -1;
      define(input, view);
      state_.inputs.push_back(view);
    }
    number_products();
    // A derivative is made of the nodes' derivatives.
    if (!options_.gradients) plan_digital_fusions();
    for (std::size_t i = 0; i < graph_->nodes.size(); ++i) {
      const int node = static_cast<int>(i);
      if (static_product_[i]) {
        plan_fusion(node);
        continue_at_[fusions_[node].last].push_back(node);
      }
      if (const auto due = continue_at_.find(node); due != continue_at_.end()) {
        for (const int product : due->second) lower_product(product);
      }
      // A fused step reads its inputs where its last node stands, and not before.
      if (absorbed_.contains(node) || static_product_[i]) continue;
      if (const auto fusion = digital_fusions_.find(node); fusion != digital_fusions_.end()) {
        lower_digital_fusion(fusion->second);
        continue;
      }
      lower_node(graph_->nodes[i]);
      release_inputs(node);
    }
    const View result = dense(graph_->outputs[0], false);
    if (result.place.buffer < 0) {
      throw DataError(
          fmt::format("{}: output '{}' does not depend on the input. The file is not a network.",
                      graph_->name, graph_->value(graph_->outputs[0]).name));
    }
    state_.output = result;
    state_.buffers[static_cast<std::size_t>(result.place.buffer)].last = forever;
    if (options_.gradients) {
      // A backward pass reads what this pass left behind: nothing is written over.
      for (BufferLife& life : state_.buffers) life.last = forever;
    }
    state_.memory = plan_memory(state_.buffers);
    if (state_.memory.total > largest_arena) {
      throw DataError(
          fmt::format("{}: one sample needs {:.1f} GiB of working memory (up to {:.0f} GiB are "
                      "used). Check the "
                      "input's shape against the model.",
                      graph_->name, static_cast<double>(state_.memory.total) / gibibyte,
                      static_cast<double>(largest_arena) / gibibyte));
    }
  }

  static constexpr double gibibyte = 1024.0 * 1024 * 1024;
  // Of one thread. A network that needs more would need it of every thread.
  static constexpr std::size_t largest_arena = std::size_t{2} << 30;

  static std::size_t index(ValueId id) { return static_cast<std::size_t>(id); }

  // ---- buffers, views and constants ----

  Place new_buffer(std::int64_t elements) {
    BufferLife life;
    life.bytes = static_cast<std::size_t>(std::max<std::int64_t>(elements, 1)) * sizeof(float);
    life.first = static_cast<int>(state_.steps.size());
    life.last = life.first;
    state_.buffers.push_back(life);
    pending_.push_back(0);
    return Place{static_cast<BufferId>(state_.buffers.size() - 1), nullptr, 0};
  }

  View fresh_view(const Shape& shape, bool channels_last) {
    View view;
    view.shape = shape;
    view.strides = channels_last ? channels_last_strides(shape) : row_major_strides(shape);
    view.place = new_buffer(element_count(shape));
    return view;
  }

  // The value now lies in `view`; its buffer has to wait for all its readers.
  void define(ValueId id, const View& view) {
    views_[index(id)] = view;
    if (view.place.buffer >= 0) {
      pending_[static_cast<std::size_t>(view.place.buffer)] +=
          static_cast<int>(readers_[index(id)].size()) + (pending_graph_output_[index(id)] ? 1 : 0);
    }
  }

  void release(ValueId id) {
    if (id == no_value || !views_[index(id)]) return;
    const BufferId buffer = views_[index(id)]->place.buffer;
    if (buffer >= 0) --pending_[static_cast<std::size_t>(buffer)];
  }

  void release_inputs(int node) {
    for (const ValueId input : graph_->nodes[static_cast<std::size_t>(node)].inputs) release(input);
  }

  // Nobody but the node that is being lowered will read this buffer again.
  bool is_last_reader(const View& view) const {
    return view.place.buffer >= 0 && pending_[static_cast<std::size_t>(view.place.buffer)] == 1;
  }

  void use(const Place& place) {
    if (place.buffer < 0) return;
    auto& life = state_.buffers[static_cast<std::size_t>(place.buffer)];
    life.last = std::max(life.last, static_cast<int>(state_.steps.size()));
  }

  void add_step(std::unique_ptr<Step> step, std::initializer_list<Place> places) {
    for (const Place& place : places) use(place);
    state_.steps.push_back(std::move(step));
  }

  Place constant_place(std::vector<float> values) {
    values.reserve(1);  // a place without an address would not exist
    state_.constants.push_back(std::make_unique<std::vector<float>>(std::move(values)));
    return Place{-1, state_.constants.back()->data(), 0};
  }

  View view(ValueId id) {
    auto& held = views_[index(id)];
    if (!held) {
      const Tensor* constant = graph_->constant(id);
      if (constant == nullptr) {
        throw DataError(
            fmt::format("{}: value '{}' is not computed before it is read. The file is "
                        "inconsistent; export it again.",
                        graph_->name, graph_->value(id).name));
      }
      std::vector<float> values = constant->reals;
      if (constant->type != ElementType::real) {
        for (const auto value : constant->integers) values.push_back(static_cast<float>(value));
      }
      held = View{constant_place(std::move(values)), constant->shape,
                  row_major_strides(constant->shape)};
    }
    return *held;
  }

  // The value in one contiguous block, row-major or channels-last; copied where it is not.
  View dense(ValueId id, bool channels_last) { return dense(view(id), channels_last); }

  View dense(const View& from, bool channels_last) {
    const Shape wanted =
        channels_last ? channels_last_strides(from.shape) : row_major_strides(from.shape);
    if (same_layout(from.shape, from.strides, wanted)) {
      return View{from.place, from.shape, wanted};
    }
    View to = fresh_view(from.shape, channels_last);
    add_step(std::make_unique<CopyStep>(from, to), {from.place, to.place});
    return to;
  }

  // ---- primitives ----

  dnnl::primitive_attr attributes(const dnnl::post_ops& post = {}) const {
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    attr.set_post_ops(post);
    return attr;
  }

  PrimitiveCall* add_call(dnnl::primitive primitive, std::vector<PrimitiveCall::Argument> arguments,
                          const memory::desc& scratchpad) {
    auto call = std::make_unique<PrimitiveCall>();
    call->primitive = std::move(primitive);
    if (scratchpad.get_size() > 0) {
      const Place scratch =
          new_buffer(static_cast<std::int64_t>(scratchpad.get_size() / sizeof(float) + 1));
      arguments.push_back({DNNL_ARG_SCRATCHPAD, scratchpad, scratch});
    }
    call->arguments = std::move(arguments);
    call->slot = state_.calls.size();
    state_.calls.push_back(std::move(call));
    return state_.calls.back().get();
  }

  void use_arguments(const PrimitiveCall& call) {
    for (const auto& argument : call.arguments) use(argument.place);
  }

  // ---- quantised operands ----

  bool quantises_weights() const { return options_.quantisation.weight_bits > 0; }
  bool quantises_inputs() const { return options_.quantisation.activation_bits > 0; }

  Quantiser input_quantiser(std::size_t product) const {
    const auto& quantisation = options_.quantisation;
    if (quantisation.ranges.size() != state_.products.size()) {
      throw ConfigError(
          fmt::format("quantisation: ranges of {} products for a network of {}. "
                      "Calibrate them on range_data.",
                      quantisation.ranges.size(), state_.products.size()));
    }
    const InputRange& range = quantisation.ranges[product];
    return make_quantiser(range.low, range.high, quantisation.activation_bits);
  }

  bool runs_in_integers(const MatrixProduct& product) const {
    const auto& quantisation = options_.quantisation;
    return quantises_weights() && quantises_inputs() && quantisation.integer_arithmetic &&
           !options_.keep_weights && !options_.gradients && quantisation.weight_bits <= 8 &&
           quantisation.activation_bits <= 8 && product.dot_length <= longest_integer_product &&
           has_exact_byte_products();
  }

  // The view's values as its quantiser represents them, in float.
  View fake_quantised(const View& input, const Quantiser& quantiser, std::size_t product) {
    View output{new_buffer(element_count(input.shape)), input.shape, input.strides};
    add_step(std::make_unique<FakeQuantiseStep>(product, quantiser, input.place, output.place,
                                                element_count(input.shape)),
             {input.place, output.place});
    return output;
  }

  // The view's values as the modulators of `product` encode them.
  View limited(const View& input, Operand operand, std::size_t product) {
    View output{new_buffer(element_count(input.shape)), input.shape, input.strides};
    add_step(std::make_unique<LimitStep>(product, operand, input.place, output.place,
                                         element_count(input.shape)),
             {input.place, output.place});
    return output;
  }

  // Turns a product's step into one of integer sums: codes of the inputs, and the constants of the
  // outputs.
  void make_integer(ProductStep::Layout& layout, const View& input, const WindowGeometry& window,
                    const QuantisedWeights& weights) {
    layout.integer = true;
    layout.quantiser = input_quantiser(layout.product);
    const std::int64_t padded = (window.input[0] + window.pad_begin[0] + window.pad_end[0]) *
                                (window.input[1] + window.pad_begin[1] + window.pad_end[1]) *
                                window.channels;
    layout.codes = new_buffer((layout.batch * padded + 3) / 4);
    add_step(std::make_unique<QuantiseStep>(layout.product, layout.quantiser, window, layout.batch,
                                            input.place, layout.codes),
             {input.place, layout.codes});
    std::vector<float> scale;
    auto shift = std::make_unique<std::vector<std::int32_t>>();
    auto zero = std::make_unique<std::vector<std::int32_t>>();
    for (std::size_t c = 0; c < weights.scale.size(); ++c) {
      // sum (w - z_w)(x - z_x) = sum w x - z_x sum w - z_w sum (x - z_x)
      scale.push_back(weights.scale[c] * layout.quantiser.scale);
      shift->push_back(layout.quantiser.zero_point * weights.code_sum[c]);
      zero->push_back(weights.zero_point[c]);
    }
    const bool zeros = std::any_of(zero->begin(), zero->end(), [](auto z) { return z != 0; });
    layout.scale = constant_place(std::move(scale)).constant;
    layout.shift = shift->data();
    state_.integer_constants.push_back(std::move(shift));
    if (zeros) layout.weight_zero = zero->data();
    state_.integer_constants.push_back(std::move(zero));
    ++state_.integer_products;
  }

  // ---- products ----

  bool is_product(const Node& node) const {
    // The last two are rewritten before (rewrite_products); left as they are, they are refused.
    return node.op == "Conv" || node.op == "Gemm" || node.op == "MatMul" || node.op == "Einsum" ||
           node.op == "ConvTranspose";
  }
  bool is_static_product(const Node& node) const {
    if (!is_product(node) || node.op == "Einsum" || node.op == "ConvTranspose" ||
        graph_->constant(node.inputs[1]) == nullptr) {
      return false;
    }
    if (node.op == "MatMul") return graph_->value(node.inputs[1]).shape.size() == 2;
    if (node.op == "Gemm") return OperatorCall(*graph_, node).integer("transA", 0) == 0;
    return true;
  }

  void number_products() {
    for (std::size_t i = 0; i < graph_->nodes.size(); ++i) {
      const Node& node = graph_->nodes[i];
      static_product_.push_back(is_static_product(node));
      if (!is_product(node)) continue;
      if (!static_product_[i] && node.op != "MatMul") {
        fail(node, node.op == "Conv" ? "computed weights" : "a product that was not simplified",
             "Export with constant weights");
      }
      product_index_[static_cast<int>(i)] = state_.products.size();
      MatrixProduct product;
      product.name = node.name;
      state_.products.push_back(std::move(product));
    }
    state_.weights.resize(state_.products.size());
  }

  struct Fusion {
    int last = 0;                 // node whose output the step computes
    std::vector<int> absorbed;    // nodes after the product that the step does, too
    ValueId residual = no_value;  // a summand of the same shape
    ValueId bias = no_value;      // a constant of every channel
    float low = -std::numeric_limits<float>::infinity();
    float high = std::numeric_limits<float>::infinity();
  };

  // Is the constant one number per output channel (axis 1 of images, the last of matrices)?
  bool is_channel_vector(ValueId id, const Shape& output, bool image) const {
    const Tensor* constant = graph_->constant(id);
    if (constant == nullptr || constant->type != ElementType::real) return false;
    const std::size_t axis = image ? 1 : output.size() - 1;
    const Shape& shape = constant->shape;
    if (shape.size() > output.size()) return false;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      const std::size_t out_axis = output.size() - shape.size() + i;
      if (shape[i] != 1 && (out_axis != axis || shape[i] != output[axis])) return false;
    }
    return true;
  }

  // Finds the additions and the clamp that follow a product and that nobody else sees between.
  void plan_fusion(int product) {
    Fusion fusion;
    fusion.last = product;
    const Node& node = graph_->nodes[static_cast<std::size_t>(product)];
    const bool image = node.op == "Conv";
    ValueId current = node.outputs[0];
    const Shape& output = graph_->value(current).shape;
    const bool own_bias = node.inputs.size() > 2 && node.inputs[2] != no_value;
    while (readers_[index(current)].size() == 1 && !pending_graph_output_[index(current)]) {
      const int next = readers_[index(current)][0];
      const Node& reader = graph_->nodes[static_cast<std::size_t>(next)];
      if (absorbed_.contains(next)) break;  // the other summand's product takes the addition
      if (reader.op == "Add") {
        const ValueId other = reader.inputs[0] == current ? reader.inputs[1] : reader.inputs[0];
        if (graph_->value(reader.outputs[0]).shape != output) break;
        if (fusion.bias == no_value && fusion.residual == no_value && !own_bias &&
            is_channel_vector(other, output, image)) {
          fusion.bias = other;
        } else if (fusion.residual == no_value && graph_->constant(other) == nullptr &&
                   graph_->value(other).shape == output && !joins_later(other, product)) {
          fusion.residual = other;
        } else {
          break;
        }
      } else if (reader.op == "Relu") {
        fusion.low = 0;
        absorb(fusion, next, current);
        break;
      } else if (reader.op == "Clip") {
        const OperatorCall call(*graph_, reader);
        const bool constant_bounds = (!call.has_input(1) || call.is_constant(1)) &&
                                     (!call.has_input(2) || call.is_constant(2));
        if (!constant_bounds || reader.inputs[0] != current) break;
        std::tie(fusion.low, fusion.high) = clip_bounds(call);
        absorb(fusion, next, current);
        break;
      } else {
        break;
      }
      absorb(fusion, next, current);
    }
    fusions_[product] = fusion;
  }

  void absorb(Fusion& fusion, int node, ValueId& current) {
    absorbed_.insert(node);
    fusion.absorbed.push_back(node);
    fusion.last = node;
    current = graph_->nodes[static_cast<std::size_t>(node)].outputs[0];
  }

  static std::pair<float, float> clip_bounds(const OperatorCall& call) {
    const double infinity = std::numeric_limits<double>::infinity();
    double low = call.real("min", -infinity);
    double high = call.real("max", infinity);
    low = call.constant_real(1, low);
    high = call.constant_real(2, high);
    return {static_cast<float>(low), static_cast<float>(high)};
  }

  // Of two products that are added, the later one takes the addition.
  bool joins_later(ValueId other, int product) const {
    for (std::size_t i = static_cast<std::size_t>(product) + 1; i < graph_->nodes.size(); ++i) {
      if (graph_->nodes[i].outputs[0] == other) return static_product_[i];
    }
    return false;
  }

  MatrixProduct& product_of(int node) { return state_.products[product_index_.at(node)]; }

  // Norms and ranges of constant weights: W[channel][k] at channel * channel_stride + k *
  // depth_stride.
  static void describe_weights(MatrixProduct& product, const std::vector<float>& weights,
                               std::int64_t channel_stride, std::int64_t depth_stride) {
    product.weight_norms.resize(static_cast<std::size_t>(product.channels));
    product.weight_lows.resize(static_cast<std::size_t>(product.channels));
    product.weight_highs.resize(static_cast<std::size_t>(product.channels));
    product.weight_low = std::numeric_limits<double>::infinity();
    product.weight_high = -product.weight_low;
    for (std::int64_t c = 0; c < product.channels; ++c) {
      double norm = 0;
      float low = std::numeric_limits<float>::infinity();
      float high = -low;
      for (std::int64_t k = 0; k < product.dot_length; ++k) {
        const float w = weights[static_cast<std::size_t>(c * channel_stride + k * depth_stride)];
        norm += static_cast<double>(w) * w;
        low = std::min(low, w);
        high = std::max(high, w);
      }
      const auto i = static_cast<std::size_t>(c);
      product.weight_norms[i] = norm;
      product.weight_lows[i] = low;
      product.weight_highs[i] = high;
      product.weight_low = std::min<double>(product.weight_low, low);
      product.weight_high = std::max<double>(product.weight_high, high);
    }
    product.weight_absolute_maximum = std::max(-product.weight_low, product.weight_high);
  }

  // Puts weights where a primitive wants them; both primitives of a product share one copy if they
  // want the same, and so do products of the same `constant` (the steps of a recurrent layer;
  // nullptr for weights that were changed) unless each has errors of its own.
  memory program_weights(std::size_t product, const void* weights, const memory::desc& plain,
                         const memory::desc& wanted, const void* constant) {
    auto& held = state_.weights[product];
    for (const memory& target : held.targets) {
      if (target.get_desc() == wanted) return target;
    }
    if (options_.keep_weights || options_.gradients) constant = nullptr;
    for (const SharedWeights& other : shared_weights_) {
      if (other.constant == constant && constant != nullptr && other.plain == plain &&
          other.target.get_desc() == wanted) {
        held.targets.push_back(other.target);
        return other.target;
      }
    }
    memory target(wanted, state_.engine);
    memory source(plain, state_.engine, const_cast<void*>(weights));
    dnnl::stream stream(state_.engine);
    dnnl::reorder(source, target).execute(stream, source, target);
    stream.wait();
    held.targets.push_back(target);
    state_.weight_bytes += wanted.get_size();
    if (constant != nullptr) shared_weights_.push_back({constant, plain, target});
    return target;
  }

  dnnl::post_ops clean_post_ops(const Epilogue& epilogue) const {
    dnnl::post_ops post;
    if (epilogue.residual) post.append_sum(1.0f);
    const float infinity = std::numeric_limits<float>::infinity();
    if (epilogue.low == 0 && epilogue.high == infinity) {
      post.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
    } else if (epilogue.low != -infinity || epilogue.high != infinity) {
      post.append_eltwise(1.0f, dnnl::algorithm::eltwise_clip,
                          std::max(epilogue.low, std::numeric_limits<float>::lowest()),
                          std::min(epilogue.high, std::numeric_limits<float>::max()));
    }
    return post;
  }

  // The output of a product step: over the residual where there is one.
  View product_output(const Fusion& fusion, const Shape& shape, bool channels_last,
                      const Place& input, Epilogue& epilogue) {
    epilogue.low = fusion.low;
    epilogue.high = fusion.high;
    if (fusion.residual == no_value) return fresh_view(shape, channels_last);
    epilogue.residual = true;
    const View own = view(fusion.residual);
    const View residual = dense(own, channels_last);
    if (options_.gradients) {
      epilogue.summand = residual.place;
      return fresh_view(shape, channels_last);
    }
    const bool copied = residual.place.buffer != own.place.buffer;
    const bool reusable = residual.place.buffer >= 0 && residual.place.offset == 0 &&
                          residual.place.buffer != input.buffer &&
                          (copied || is_last_reader(own)) &&
                          state_.buffers[static_cast<std::size_t>(residual.place.buffer)].bytes ==
                              static_cast<std::size_t>(element_count(shape)) * sizeof(float);
    if (reusable) return residual;
    View output = fresh_view(shape, channels_last);
    add_step(std::make_unique<CopyStep>(residual, output), {residual.place, output.place});
    return output;
  }

  // Bias of every channel: the product's own, or the constant that is added after it.
  std::vector<float> channel_bias(const Tensor* constant, std::int64_t channels, double factor) {
    std::vector<float> bias;
    if (constant == nullptr) return bias;
    bias.resize(static_cast<std::size_t>(channels));
    for (std::size_t c = 0; c < bias.size(); ++c) {
      const float value = constant->reals[constant->size() == 1 ? 0 : c];
      bias[c] = static_cast<float>(value * factor);
    }
    return bias;
  }

  // oneDNN divides by extents of a product.
  void require_elements(const Node& node) const {
    for (const ValueId id : {node.inputs[0], node.inputs[1], node.outputs[0]}) {
      const Value& value = graph_->value(id);
      if (element_count(value.shape) > 0) continue;
      fail(node,
           fmt::format("'{}' of shape {} has no elements", value.name, to_string(value.shape)),
           "Check the input's shape against the model");
    }
  }

  void lower_product(int node_index) {
    const Node& node = graph_->nodes[static_cast<std::size_t>(node_index)];
    require_elements(node);
    const Fusion& fusion = fusions_.at(node_index);
    const ValueId weights = node.inputs[1];
    node.op == "Conv" ? lower_conv(node_index, node, fusion)
                      : lower_dense(node_index, node, fusion);
    // The weights now live where oneDNN reads them; what the file said is not needed twice.
    std::erase(readers_[index(weights)], node_index);
    if (readers_[index(weights)].empty()) graph_->value(weights).constant.reset();
    release_inputs(node_index);
    for (const int absorbed : fusion.absorbed) {
      const Node& done = graph_->nodes[static_cast<std::size_t>(absorbed)];
      release_inputs(absorbed);
      state_.digital.push_back(
          {done.name, done.op, element_count(graph_->value(done.outputs[0]).shape), true});
    }
  }

  void finish_product(const Fusion& fusion, View output, const Shape& shape) {
    output.shape = shape;
    define(graph_->nodes[static_cast<std::size_t>(fusion.last)].outputs[0], output);
  }

  // The weights of a static product as they run: as given, scaled, or quantised.
  struct PreparedWeights {
    const std::vector<float>* values = nullptr;
    bool as_given = true;  // `values` are the constant itself
    QuantisedWeights quantised;
    std::vector<float> scaled;
  };

  void prepare_weights(PreparedWeights& prepared, const std::vector<float>& given, double factor,
                       MatrixProduct& product, std::int64_t channel_stride,
                       std::int64_t depth_stride) const {
    prepared.values = &given;
    prepared.as_given = factor == 1 && !quantises_weights();
    if (factor != 1) {
      prepared.scaled = given;
      for (float& value : prepared.scaled) value = static_cast<float>(value * factor);
      prepared.values = &prepared.scaled;
    }
    if (quantises_weights()) {
      prepared.quantised =
          quantise_weights(*prepared.values, options_.quantisation.weight_bits, product.channels,
                           product.dot_length, channel_stride, depth_stride);
      prepared.values = &prepared.quantised.values;
    }
    describe_weights(product, *prepared.values, channel_stride, depth_stride);
  }

  // The input of a static product that is not integer: as it is, as its quantiser represents it, or
  // as its modulators encode it.
  View product_input(const View& input, std::size_t product) {
    if (quantises_inputs()) return fake_quantised(input, input_quantiser(product), product);
    return options_.limits_operands ? limited(input, Operand::input, product) : input;
  }

  // Adds the primitives and the step of a static product. `primitive(clean)` makes a primitive's
  // call; integer products have one for both uses.
  template <class MakeCall>
  void finish_static(ProductStep::Layout& layout, const Epilogue& epilogue, MakeCall make_call) {
    const PrimitiveCall* clean = layout.integer || options_.gradients ? nullptr : make_call(true);
    add_product_step(layout, epilogue, clean, make_call(false));
  }

  void add_product_step(ProductStep::Layout& layout, const Epilogue& epilogue,
                        const PrimitiveCall* clean, const PrimitiveCall* raw) {
    if (clean != nullptr) use_arguments(*clean);
    if (raw != nullptr) use_arguments(*raw);
    add_step(std::make_unique<ProductStep>(layout, epilogue, clean, raw),
             {layout.input, layout.raw, layout.output, epilogue.summand, layout.map, layout.scratch,
              layout.norms, layout.channel_norms, layout.codes, layout.squares, layout.square_map,
              layout.channel_squares, layout.tiles_room});
  }

  // Room for the norms of a product's inputs.
  void add_norm_buffers(ProductStep::Layout& layout) {
    const std::int64_t positions = layout.positions * layout.groups;
    const bool expanded = layout.groups != 1 && layout.groups != layout.channels;
    layout.norms = new_buffer(positions);
    if (expanded) layout.channel_norms = new_buffer(layout.positions * layout.channels);
    if (layout.windowed) {
      const WindowGeometry& g = layout.window;
      layout.map = new_buffer(g.input[0] * g.input[1] * layout.groups);
      layout.scratch = new_buffer(g.input[0] * g.output[1] * layout.groups);
      if (layout.integer) layout.square_map = new_buffer(g.input[0] * g.input[1] * layout.groups);
    }
    if (layout.integer) {
      layout.squares = new_buffer(positions);
      if (expanded) layout.channel_squares = new_buffer(layout.positions * layout.channels);
    }
  }

  void set_bias(Epilogue& epilogue, const Tensor* constant, std::int64_t channels, double factor) {
    std::vector<float> bias = channel_bias(constant, channels, factor);
    if (!bias.empty()) epilogue.bias = constant_place(std::move(bias));
  }

  void lower_conv(int node_index, const Node& node, const Fusion& fusion) {
    const OperatorCall call(*graph_, node);
    const Tensor& given = *graph_->constant(node.inputs[1]);
    const std::vector<std::int64_t> kernel(given.shape.begin() + 2, given.shape.end());
    WindowGeometry g = window_geometry(call, kernel);
    const std::int64_t batch = call.shape(0)[0];
    const std::int64_t groups = call.integer("group", 1);
    const std::int64_t channels = given.shape[0];
    const std::int64_t depth = given.shape[1];
    const std::size_t id = product_index_.at(node_index);

    MatrixProduct& product = state_.products[id];
    product.kind = groups == 1 ? ProductKind::conv
                               : (depth == 1 ? ProductKind::depthwise : ProductKind::grouped);
    product.positions = batch * g.positions();
    product.channels = channels;
    product.groups = groups;
    product.dot_length = depth * g.kernel[0] * g.kernel[1];
    PreparedWeights weights;
    prepare_weights(weights, given.reals, 1.0, product, product.dot_length, 1);
    const bool integer = runs_in_integers(product);

    View input = dense(node.inputs[0], true);
    if (!integer) input = product_input(input, id);
    const Shape out_shape = graph_->value(node.outputs[0]).shape;
    Epilogue epilogue;
    const View output = product_output(fusion, out_shape, true, input.place, epilogue);
    const Tensor* bias = nullptr;
    if (call.has_input(2)) {
      bias = graph_->constant(node.inputs[2]);
      if (bias == nullptr) fail(node, "a computed bias", "Export with constant biases");
    } else if (fusion.bias != no_value) {
      bias = graph_->constant(fusion.bias);
    }
    set_bias(epilogue, bias, channels, 1.0);

    ProductStep::Layout layout;
    layout.product = id;
    layout.batch = batch;
    layout.positions = product.positions;
    layout.channels = channels;
    layout.groups = groups;
    layout.depth = depth;
    layout.input = input.place;
    layout.input_count = element_count(input.shape);
    layout.output = output.place;
    layout.what = node.name;
    if (integer) {
      // The codes carry the padding, since the code of 0 need not be 0.
      for (const std::size_t axis : {0, 1}) {
        const std::int64_t reach =
            (g.output[axis] - 1) * g.stride[axis] + (g.kernel[axis] - 1) * g.dilation[axis] + 1;
        g.pad_end[axis] = std::max<std::int64_t>(0, reach - g.input[axis] - g.pad_begin[axis]);
      }
      make_integer(layout, input, g, weights.quantised);
      for (const std::size_t axis : {0, 1}) {
        g.input[axis] += g.pad_begin[axis] + g.pad_end[axis];
        g.pad_begin[axis] = g.pad_end[axis] = 0;
      }
    }
    layout.window = g;
    layout.windowed = g.kernel[0] * g.kernel[1] > 1 || g.stride[0] * g.stride[1] > 1 ||
                      g.positions() != g.input[0] * g.input[1];
    layout.raw = epilogue.residual || options_.gradients ? new_buffer(element_count(out_shape))
                                                         : output.place;
    add_norm_buffers(layout);
    keep_weights(id, *weights.values,
                 conv_weights(groups, channels, depth, g, memory::data_type::f32), channels,
                 product.dot_length, 1);

    const auto src_type = integer ? memory::data_type::u8 : memory::data_type::f32;
    const auto weight_type = integer ? memory::data_type::s8 : memory::data_type::f32;
    const auto dst_type = integer ? memory::data_type::s32 : memory::data_type::f32;
    using tag = memory::format_tag;
    const memory::desc src({batch, g.channels, g.input[0], g.input[1]}, src_type, tag::nhwc);
    const memory::desc dst({batch, channels, g.output[0], g.output[1]}, dst_type, tag::nhwc);
    const memory::desc plain = conv_weights(groups, channels, depth, g, weight_type);
    const memory::desc any_weights(plain.dims(), weight_type, tag::any);
    const memory::desc bias_desc({channels}, memory::data_type::f32, tag::a);
    const memory::dims strides{g.stride[0], g.stride[1]};
    const memory::dims dilates{g.dilation[0] - 1, g.dilation[1] - 1};
    // oneDNN takes the padding that the output's extent implies.
    const auto end = [&](std::size_t axis) {
      return (g.output[axis] - 1) * g.stride[axis] + (g.kernel[axis] - 1) * g.dilation[axis] + 1 -
             g.input[axis] - g.pad_begin[axis];
    };
    const memory::dims pad_begin{g.pad_begin[0], g.pad_begin[1]};
    const memory::dims pad_end{end(0), end(1)};
    layout.keeps_noise = options_.gradients;
    if ((options_.winograd || options_.gradients) && !integer &&
        fits_winograd(g, groups, channels)) {
      const auto transformed = [&](bool backward) {
        auto& tiles = state_.weights[id].tiles;
        tiles.push_back({std::make_unique<WinogradWeights>(
                             winograd_weights(weights.values->data(), channels, depth, backward)),
                         backward});
        state_.weight_bytes += tiles.back().weights->values.size() * sizeof(float);
        return tiles.back().weights.get();
      };
      layout.forward_tiles = transformed(false);
      layout.tiles_room = new_buffer(winograd_room(*layout.forward_tiles, g.output));
      if (options_.gradients) layout.backward_tiles = transformed(true);
      ++state_.winograd_products;
    }
    if (layout.forward_tiles != nullptr && !options_.gradients) {
      add_product_step(layout, epilogue, nullptr, nullptr);
      finish_product(fusion, output, out_shape);
      return;
    }
    finish_static(layout, epilogue, [&](bool clean) {
      using Convolution = dnnl::convolution_forward;
      const bool with_bias = clean && epilogue.bias.exists();
      const auto kind = dnnl::prop_kind::forward_inference;
      const auto algorithm = dnnl::algorithm::convolution_direct;
      const auto desc = with_bias ? Convolution::desc(kind, algorithm, src, any_weights, bias_desc,
                                                      dst, strides, dilates, pad_begin, pad_end)
                                  : Convolution::desc(kind, algorithm, src, any_weights, dst,
                                                      strides, dilates, pad_begin, pad_end);
      const Convolution::primitive_desc pd(
          desc, attributes(clean ? clean_post_ops(epilogue) : dnnl::post_ops()), state_.engine);
      return add_product_call(Convolution(pd), pd, layout, epilogue, clean, with_bias, bias_desc,
                              weights, plain);
    });
    finish_product(fusion, output, out_shape);
  }

  static memory::desc conv_weights(std::int64_t groups, std::int64_t channels, std::int64_t depth,
                                   const WindowGeometry& g, memory::data_type type) {
    return groups == 1 ? memory::desc({channels, depth, g.kernel[0], g.kernel[1]}, type,
                                      memory::format_tag::oihw)
                       : memory::desc({groups, channels / groups, depth, g.kernel[0], g.kernel[1]},
                                      type, memory::format_tag::goihw);
  }

  template <class PrimitiveDesc>
  PrimitiveCall* add_product_call(dnnl::primitive primitive, const PrimitiveDesc& pd,
                                  const ProductStep::Layout& layout, const Epilogue& epilogue,
                                  bool clean, bool with_bias, const memory::desc& bias_desc,
                                  const PreparedWeights& weights, const memory::desc& plain) {
    std::vector<PrimitiveCall::Argument> arguments{
        {DNNL_ARG_SRC, pd.src_desc(), layout.integer ? layout.codes : layout.input},
        {DNNL_ARG_DST, pd.dst_desc(), clean ? layout.output : layout.raw}};
    if (with_bias) arguments.push_back({DNNL_ARG_BIAS, bias_desc, epilogue.bias});
    PrimitiveCall* call =
        add_call(std::move(primitive), std::move(arguments), pd.scratchpad_desc());
    const void* values = layout.integer ? static_cast<const void*>(weights.quantised.codes.data())
                                        : static_cast<const void*>(weights.values->data());
    call->shared.emplace_back(DNNL_ARG_WEIGHTS,
                              program_weights(layout.product, values, plain, pd.weights_desc(),
                                              weights.as_given ? values : nullptr));
    return call;
  }

  void keep_weights(std::size_t product, const std::vector<float>& weights,
                    const memory::desc& plain, std::int64_t channels, std::int64_t channel_stride,
                    std::int64_t depth_stride) {
    auto& held = state_.weights[product];
    held.plain = plain;
    held.channels = channels;
    held.channel_stride = channel_stride;
    held.depth_stride = depth_stride;
    if (options_.keep_weights) held.original = weights;
  }

  // Rows times a constant matrix: Gemm, or MatMul with a constant right operand.
  void lower_dense(int node_index, const Node& node, const Fusion& fusion) {
    const OperatorCall call(*graph_, node);
    const bool gemm = node.op == "Gemm";
    const bool transposed = gemm && call.integer("transB", 0) != 0;
    const Tensor& given = *graph_->constant(node.inputs[1]);
    const std::int64_t depth = given.shape[transposed ? 1 : 0];
    const std::int64_t channels = given.shape[transposed ? 0 : 1];
    const std::int64_t channel_stride = transposed ? depth : 1;
    const std::int64_t depth_stride = transposed ? 1 : channels;
    const std::size_t id = product_index_.at(node_index);

    View input = dense(node.inputs[0], false);
    const std::int64_t rows = depth == 0 ? 0 : element_count(input.shape) / depth;
    MatrixProduct& product = state_.products[id];
    product.kind = ProductKind::dense;
    product.positions = rows;
    product.channels = channels;
    product.dot_length = depth;
    PreparedWeights weights;
    prepare_weights(weights, given.reals, gemm ? call.real("alpha", 1) : 1.0, product,
                    channel_stride, depth_stride);
    const bool integer = runs_in_integers(product);
    if (!integer) input = product_input(input, id);

    const Shape out_shape = graph_->value(node.outputs[0]).shape;
    Epilogue epilogue;
    const View output = product_output(fusion, out_shape, false, input.place, epilogue);
    const Tensor* bias = nullptr;
    double factor = 1;
    if (call.has_input(2)) {
      bias = graph_->constant(node.inputs[2]);
      factor = call.real("beta", 1);
      if (!is_channel_vector(node.inputs[2], out_shape, false)) {
        fail(node, "a bias that is not one constant per output", "Add it with an Add node");
      }
    } else if (fusion.bias != no_value) {
      bias = graph_->constant(fusion.bias);
    }
    set_bias(epilogue, bias, channels, factor);

    ProductStep::Layout layout;
    layout.product = id;
    layout.positions = rows;
    layout.channels = channels;
    layout.depth = depth;
    layout.input = input.place;
    layout.input_count = rows * depth;
    layout.output = output.place;
    layout.what = node.name;
    if (integer) {
      WindowGeometry rows_as_image;
      rows_as_image.channels = depth;
      rows_as_image.input = {1, rows};
      make_integer(layout, input, rows_as_image, weights.quantised);
    }
    layout.raw = epilogue.residual || options_.gradients ? new_buffer(element_count(out_shape))
                                                         : output.place;
    add_norm_buffers(layout);
    layout.keeps_noise = options_.gradients;

    const auto src_type = integer ? memory::data_type::u8 : memory::data_type::f32;
    const auto weight_type = integer ? memory::data_type::s8 : memory::data_type::f32;
    const auto dst_type = integer ? memory::data_type::s32 : memory::data_type::f32;
    using tag = memory::format_tag;
    const auto plain_tag = transposed ? tag::ba : tag::ab;
    const memory::desc src({rows, depth}, src_type, tag::ab);
    const memory::desc dst({rows, channels}, dst_type, tag::ab);
    const memory::desc plain({depth, channels}, weight_type, plain_tag);
    const memory::desc any_weights({depth, channels}, weight_type, tag::any);
    const memory::desc bias_desc({1, channels}, memory::data_type::f32, tag::ab);
    keep_weights(id, *weights.values,
                 memory::desc({depth, channels}, memory::data_type::f32, plain_tag), channels,
                 channel_stride, depth_stride);
    finish_static(layout, epilogue, [&](bool clean) {
      const bool with_bias = clean && epilogue.bias.exists();
      const auto desc = with_bias ? dnnl::matmul::desc(src, any_weights, bias_desc, dst)
                                  : dnnl::matmul::desc(src, any_weights, dst);
      const dnnl::matmul::primitive_desc pd(
          desc, attributes(clean ? clean_post_ops(epilogue) : dnnl::post_ops()), state_.engine);
      return add_product_call(dnnl::matmul(pd), pd, layout, epilogue, clean, with_bias, bias_desc,
                              weights, plain);
    });
    finish_product(fusion, output, out_shape);
  }

  // A view as a stack of matrices [batch][rows][columns], broadcast to `outer`.
  View as_matrices(const View& from, const Shape& outer, bool force_row_major) {
    View wide = from;
    const std::size_t missing = outer.size() + 2 - wide.shape.size();
    wide.shape.insert(wide.shape.begin(), missing, 1);
    wide.strides.insert(wide.strides.begin(), missing, 0);
    bool needs_copy = force_row_major;
    for (std::size_t i = 0; i < outer.size(); ++i) {
      if (wide.shape[i] != outer[i]) {
        wide.shape[i] = outer[i];
        wide.strides[i] = 0;
        needs_copy = true;
      }
    }
    const std::size_t last = wide.shape.size() - 1;
    // One axis of the matrix is contiguous, and the other steps over it: no element is used twice.
    const auto steps_over = [&](std::size_t contiguous, std::size_t other) {
      return wide.strides[contiguous] == 1 && wide.strides[other] >= wide.shape[contiguous];
    };
    needs_copy = needs_copy || !(steps_over(last, last - 1) || steps_over(last - 1, last));
    // The stack must be one axis, of different matrices.
    std::int64_t stride = outer.empty() ? 0 : wide.strides[outer.size() - 1];
    needs_copy = needs_copy || (stride <= 0 && element_count(outer) > 1);
    std::int64_t expected = stride;
    for (std::size_t i = outer.size(); i-- > 0;) {
      if (outer[i] != 1 && wide.strides[i] != expected) needs_copy = true;
      expected *= outer[i];
    }
    if (needs_copy) {
      const Shape row_major = row_major_strides(wide.shape);
      if (!same_layout(wide.shape, wide.strides, row_major)) {
        const View copy = fresh_view(wide.shape, false);
        add_step(std::make_unique<CopyStep>(wide, copy), {wide.place, copy.place});
        wide = copy;
      }
      wide.strides = row_major;
      stride = outer.empty() ? 0 : wide.strides[outer.size() - 1];
    }
    const std::int64_t batch = element_count(outer);
    if (batch == 1 || stride == 0) stride = wide.shape[last] * wide.shape[last - 1];
    return View{wide.place,
                {batch, wide.shape[last - 1], wide.shape[last]},
                {stride, wide.strides[last - 1], wide.strides[last]}};
  }

  void lower_dynamic_matmul(int node_index, const Node& node) {
    require_elements(node);
    View a = view(node.inputs[0]);
    View b = view(node.inputs[1]);
    if (a.shape.size() == 1) {
      a.shape.insert(a.shape.begin(), 1);
      a.strides.insert(a.strides.begin(), 0);
    }
    if (b.shape.size() == 1) {
      b.shape.push_back(1);
      b.strides.push_back(1);
    }
    const OperatorCall call(*graph_, node);
    const Shape outer = broadcast_shape(call, Shape(a.shape.begin(), a.shape.end() - 2),
                                        Shape(b.shape.begin(), b.shape.end() - 2));
    View x = as_matrices(a, outer, true);
    View w = as_matrices(b, outer, false);
    const bool limits = options_.limits_operands && !quantises_inputs();
    const std::size_t id = product_index_.at(node_index);
    if ((quantises_inputs() || limits) &&
        (w.place.buffer < 0 || w.strides[0] != w.shape[1] * w.shape[2])) {
      w = as_matrices(b, outer, true);
    }
    if (limits) {
      x = limited(x, Operand::input, id);
      w = limited(w, Operand::weight, id);
    }
    if (quantises_inputs()) {
      const double reach = options_.quantisation.ranges[id].weight_absolute_maximum;
      x = fake_quantised(x, input_quantiser(id), id);
      w = fake_quantised(w, make_quantiser(-reach, reach, options_.quantisation.activation_bits),
                         id);
    }
    const std::int64_t batch = x.shape[0];
    const std::int64_t rows = x.shape[1];
    const std::int64_t depth = x.shape[2];
    const std::int64_t columns = w.shape[2];
    const Shape out_shape = graph_->value(node.outputs[0]).shape;
    const View output = fresh_view(out_shape, false);

    MatrixProduct& product = product_of(node_index);
    product.kind = ProductKind::dynamic;
    product.positions = batch * rows;
    product.stack = batch;
    product.channels = columns;
    product.dot_length = depth;

    const auto f32 = memory::data_type::f32;
    const memory::desc src({batch, rows, depth}, f32, memory::format_tag::abc);
    const memory::desc weights({batch, depth, columns}, f32,
                               memory::dims{w.strides[0], w.strides[1], w.strides[2]});
    const memory::desc dst({batch, rows, columns}, f32, memory::format_tag::abc);
    const dnnl::matmul::primitive_desc pd(dnnl::matmul::desc(src, weights, dst), attributes(),
                                          state_.engine);
    const Place raw = options_.gradients ? new_buffer(batch * rows * columns) : output.place;
    PrimitiveCall* primitive = add_call(dnnl::matmul(pd),
                                        {{DNNL_ARG_SRC, src, x.place},
                                         {DNNL_ARG_WEIGHTS, weights, w.place},
                                         {DNNL_ARG_DST, dst, raw}},
                                        pd.scratchpad_desc());
    DynamicProductStep::Layout layout;
    layout.raw = raw;
    layout.product = product_index_.at(node_index);
    layout.batch = batch;
    layout.rows = rows;
    layout.depth = depth;
    layout.columns = columns;
    layout.x = x;
    layout.w = w;
    layout.output = output.place;
    layout.row_norms = new_buffer(rows);
    layout.column_norms = new_buffer(columns);
    layout.offset = new_buffer(columns);
    layout.slope = new_buffer(columns);
    layout.signal = new_buffer(columns);
    layout.light = new_buffer(columns);
    layout.gain = new_buffer(columns);
    use_arguments(*primitive);
    add_step(std::make_unique<DynamicProductStep>(layout, primitive),
             {layout.x.place, layout.w.place, layout.raw, layout.output, layout.row_norms,
              layout.column_norms, layout.offset, layout.slope, layout.signal, layout.light,
              layout.gain});
    define(node.outputs[0], output);
  }

  // ---- digital operators ----

  void plan_digital_fusions() {
    for (DigitalFusion& fusion : find_digital_fusions(*graph_)) {
      const int last = fusion.nodes.back();
      absorbed_.insert(fusion.nodes.begin(), fusion.nodes.end() - 1);
      digital_fusions_[last] = std::move(fusion);
    }
  }

  void lower_digital_fusion(const DigitalFusion& fusion) {
    const Node& last = graph_->nodes[static_cast<std::size_t>(fusion.nodes.back())];
    View input = view(fusion.input);
    // The input waits for one reader more, this step, which then may write over it.
    const auto buffer = static_cast<std::size_t>(std::max(input.place.buffer, 0));
    const bool computed = input.place.buffer >= 0;
    if (computed) ++pending_[buffer];
    for (const int absorbed : fusion.nodes) {
      release_inputs(absorbed);
      const Node& node = graph_->nodes[static_cast<std::size_t>(absorbed)];
      state_.digital.push_back(
          {node.name, node.op, element_count(graph_->value(node.outputs[0]).shape), false});
    }
    const bool rows = fusion.function == FusedFunction::layer_norm;
    if (rows || !is_dense_layout(input)) input = dense(input, false);
    const View output = elementwise_output(input, input.shape);
    const std::int64_t count = element_count(input.shape);
    switch (fusion.function) {
      case FusedFunction::layer_norm:
        add_layer_norm(fusion, meaning_of(last, input, output));
        break;
      case FusedFunction::swish:
        add_eltwise({dnnl::algorithm::eltwise_swish, 1, 0}, meaning_of(last, input, output), count);
        break;
      case FusedFunction::gelu:
        add_step(std::make_unique<GeluStep>(input.place, output.place, count),
                 {input.place, output.place});
        break;
    }
    define(last.outputs[0], output);
    if (computed) --pending_[buffer];
  }

  // Of the rows of meaning.input.
  void add_layer_norm(const DigitalFusion& fusion, PrimitiveMeaning meaning) {
    const View input = meaning.input;
    const View output = meaning.output;
    const std::int64_t extent = input.shape.back();
    const auto constant = [&](ValueId id, float otherwise) {
      if (id != no_value) return view(id).place;
      return constant_place(std::vector<float>(static_cast<std::size_t>(extent), otherwise));
    };
    const Place scale = constant(fusion.scale, 1);
    const Place shift = constant(fusion.shift, 0);
    const auto f32 = memory::data_type::f32;
    const std::int64_t rows = extent == 0 ? 0 : element_count(input.shape) / extent;
    const memory::desc flat({rows, extent}, f32, memory::format_tag::ab);
    const memory::desc vector({extent}, f32, memory::format_tag::a);
    using Flags = dnnl::normalization_flags;
    const dnnl::layer_normalization_forward::primitive_desc pd(
        dnnl::layer_normalization_forward::desc(dnnl::prop_kind::forward_inference, flat,
                                                static_cast<float>(fusion.epsilon),
                                                Flags::use_scale | Flags::use_shift),
        attributes(), state_.engine);
    add_primitive(dnnl::layer_normalization_forward(pd),
                  {{DNNL_ARG_SRC, flat, input.place},
                   {DNNL_ARG_SCALE, vector, scale},
                   {DNNL_ARG_SHIFT, vector, shift},
                   {DNNL_ARG_DST, flat, output.place}},
                  pd.scratchpad_desc(), std::move(meaning));
  }

  void lower_node(const Node& node) {
    const auto position = static_cast<int>(&node - graph_->nodes.data());
    if (node.op == "MatMul") {
      lower_dynamic_matmul(position, node);
      return;
    }
    const DigitalWay way = lower_digital(node);
    state_.digital.push_back(
        {node.name, node.op, element_count(graph_->value(node.outputs[0]).shape), false, way});
  }

  DigitalWay lower_digital(const Node& node) {
    if (lower_view(node)) return DigitalWay::view;
    if (lower_unary(node)) return node.op == "Erf" ? DigitalWay::kernel : DigitalWay::library;
    if (lower_binary(node)) return DigitalWay::kernel;
    if (lower_pool(node) || lower_row_operator(node)) return DigitalWay::library;
    if (const auto way = lower_movement(node)) return *way;
    lower_plain(node);
    return DigitalWay::plain;
  }

  // Operators that only look at the same memory differently.
  bool lower_view(const Node& node) {
    const Shape& shape = graph_->value(node.outputs[0]).shape;
    if (node.op == "Identity" || (node.op == "Dropout" && node.outputs.size() == 1) ||
        (node.op == "Cast" && graph_->value(node.outputs[0]).type == ElementType::real)) {
      define(node.outputs[0], view(node.inputs[0]));
      return true;
    }
    if (node.op == "Reshape" || node.op == "Flatten" || node.op == "Squeeze" ||
        node.op == "Unsqueeze") {
      View result = dense(node.inputs[0], false);
      result.shape = shape;
      result.strides = row_major_strides(shape);
      define(node.outputs[0], result);
      return true;
    }
    if (node.op == "Transpose") {
      const View from = view(node.inputs[0]);
      const OperatorCall call(*graph_, node);
      std::vector<std::int64_t> permutation;
      for (auto axis = static_cast<std::int64_t>(from.shape.size()); axis-- > 0;) {
        permutation.push_back(axis);
      }
      permutation = call.integers("perm", permutation);
      View result{from.place, shape, {}};
      for (const auto axis : permutation) {
        result.strides.push_back(from.strides[static_cast<std::size_t>(axis)]);
      }
      define(node.outputs[0], result);
      return true;
    }
    if (node.op == "Expand") {
      View result = view(node.inputs[0]);
      const std::size_t missing = shape.size() - result.shape.size();
      result.shape.insert(result.shape.begin(), missing, 1);
      result.strides.insert(result.strides.begin(), missing, 0);
      for (std::size_t i = 0; i < shape.size(); ++i) {
        if (result.shape[i] != shape[i]) result.strides[i] = 0;
      }
      result.shape = shape;
      define(node.outputs[0], result);
      return true;
    }
    return false;
  }

  struct Eltwise {
    dnnl::algorithm algorithm;
    float alpha = 0;
    float beta = 0;
  };

  std::optional<Eltwise> eltwise_of(const Node& node) const {
    using dnnl::algorithm;
    const OperatorCall call(*graph_, node);
    if (node.op == "Relu") return Eltwise{algorithm::eltwise_relu};
    if (node.op == "LeakyRelu") {
      return Eltwise{algorithm::eltwise_relu, static_cast<float>(call.real("alpha", 0.01))};
    }
    if (node.op == "Sigmoid") return Eltwise{algorithm::eltwise_logistic};
    if (node.op == "Tanh") return Eltwise{algorithm::eltwise_tanh};
    if (node.op == "Exp") return Eltwise{algorithm::eltwise_exp};
    if (node.op == "Sqrt") return Eltwise{algorithm::eltwise_sqrt};
    if (node.op == "Abs") return Eltwise{algorithm::eltwise_abs};
    if (node.op == "Elu") {
      return Eltwise{algorithm::eltwise_elu, static_cast<float>(call.real("alpha", 1))};
    }
    if (node.op == "HardSwish") return Eltwise{algorithm::eltwise_hardswish};
    if (node.op == "Gelu") {
      return Eltwise{call.text("approximate", "none") == "tanh" ? algorithm::eltwise_gelu_tanh
                                                                : algorithm::eltwise_gelu_erf};
    }
    if (node.op == "Softplus") return Eltwise{algorithm::eltwise_soft_relu};
    if (node.op == "Mish") return Eltwise{algorithm::eltwise_mish};
    if (node.op == "Log") return Eltwise{algorithm::eltwise_log};
    if (node.op == "Neg") return Eltwise{algorithm::eltwise_linear, -1, 0};
    if (node.op == "HardSigmoid") {
      return Eltwise{algorithm::eltwise_linear, static_cast<float>(call.real("alpha", 0.2)),
                     static_cast<float>(call.real("beta", 0.5))};
    }
    if (node.op == "Clip" && (!call.has_input(1) || call.is_constant(1)) &&
        (!call.has_input(2) || call.is_constant(2))) {
      const auto [low, high] = clip_bounds(call);
      return Eltwise{algorithm::eltwise_clip, std::max(low, std::numeric_limits<float>::lowest()),
                     std::min(high, std::numeric_limits<float>::max())};
    }
    return std::nullopt;
  }

  bool is_dense_layout(const View& view) const {
    if (same_layout(view.shape, view.strides, row_major_strides(view.shape))) return true;
    return view.shape.size() >= 3 &&
           same_layout(view.shape, view.strides, channels_last_strides(view.shape));
  }

  // The output of an operator that acts on each element: over its input if nobody needs that.
  View elementwise_output(const View& input, const Shape& shape) {
    const std::int64_t count = element_count(shape);
    const bool whole =
        input.place.buffer >= 0 && input.place.offset == 0 &&
        state_.buffers[static_cast<std::size_t>(input.place.buffer)].bytes ==
            static_cast<std::size_t>(std::max<std::int64_t>(count, 1)) * sizeof(float);
    if (whole && is_last_reader(input) && !options_.gradients) return input;
    View output{new_buffer(count), shape, input.strides};
    return output;
  }

  bool lower_unary(const Node& node) {
    const auto eltwise = eltwise_of(node);
    if (!eltwise && node.op != "Erf") return false;
    View input = view(node.inputs[0]);
    if (!is_dense_layout(input)) input = dense(input, false);
    const View output = elementwise_output(input, input.shape);
    const std::int64_t count = element_count(input.shape);
    if (!eltwise) {
      add_step(std::make_unique<ErfStep>(input.place, output.place, count),
               {input.place, output.place});
    } else {
      // HardSigmoid is a line and a clip; the clip works in place where nobody asks for its input.
      const bool clipped = node.op == "HardSigmoid";
      View middle = output;
      if (clipped && options_.gradients) middle.place = new_buffer(count);
      add_eltwise(*eltwise, meaning_of(node, input, middle), count);
      if (clipped) {
        add_eltwise({dnnl::algorithm::eltwise_clip, 0, 1}, meaning_of(node, middle, output), count);
      }
    }
    define(node.outputs[0], output);
    return true;
  }

  void add_eltwise(const Eltwise& eltwise, PrimitiveMeaning meaning, std::int64_t count) {
    const memory::desc flat({count}, memory::data_type::f32, memory::format_tag::a);
    const dnnl::eltwise_forward::primitive_desc pd(
        dnnl::eltwise_forward::desc(dnnl::prop_kind::forward_inference, eltwise.algorithm, flat,
                                    eltwise.alpha, eltwise.beta),
        attributes(), state_.engine);
    meaning.eltwise = eltwise.algorithm;
    meaning.alpha = eltwise.alpha;
    meaning.beta = eltwise.beta;
    const Place from = meaning.input.place;
    const Place to = meaning.output.place;
    add_primitive(dnnl::eltwise_forward(pd), {{DNNL_ARG_SRC, flat, from}, {DNNL_ARG_DST, flat, to}},
                  pd.scratchpad_desc(), std::move(meaning));
  }

  void add_primitive(dnnl::primitive primitive, std::vector<PrimitiveCall::Argument> arguments,
                     const memory::desc& scratchpad, PrimitiveMeaning meaning) {
    const PrimitiveCall* call = add_call(std::move(primitive), std::move(arguments), scratchpad);
    use_arguments(*call);
    state_.steps.push_back(
        std::make_unique<PrimitiveStep>(call, plain_graph(), std::move(meaning)));
  }

  static PrimitiveMeaning meaning_of(const Node& node, const View& input, const View& output) {
    PrimitiveMeaning meaning;
    meaning.node = node;
    meaning.input = input;
    meaning.output = output;
    return meaning;
  }

  bool lower_binary(const Node& node) {
    static const std::map<std::string, BinaryOperation> operations{
        {"Add", BinaryOperation::add},      {"Sub", BinaryOperation::subtract},
        {"Mul", BinaryOperation::multiply}, {"Div", BinaryOperation::divide},
        {"Min", BinaryOperation::minimum},  {"Max", BinaryOperation::maximum},
        {"Pow", BinaryOperation::power}};
    const auto found = operations.find(node.op);
    if (found == operations.end() || node.inputs.size() != 2) return false;
    const Value& result = graph_->value(node.outputs[0]);
    if (result.type != ElementType::real) return false;
    const View a = widen(view(node.inputs[0]), result.shape);
    const View b = widen(view(node.inputs[1]), result.shape);
    // The output is laid out as the operand that has its full shape, channels-last if one is.
    View output;
    for (const auto& [operand, id] :
         {std::pair{&a, node.inputs[0]}, std::pair{&b, node.inputs[1]}}) {
      if (graph_->value(id).shape == result.shape && is_dense_layout(*operand) &&
          operand->place.buffer >= 0) {
        output = elementwise_output(*operand, result.shape);
        break;
      }
    }
    if (!output.place.exists()) output = fresh_view(result.shape, false);
    add_step(std::make_unique<BinaryStep>(found->second, a, b, output),
             {a.place, b.place, output.place});
    define(node.outputs[0], output);
    return true;
  }

  // Broadcasts a view to a shape by strides of 0.
  static View widen(View from, const Shape& shape) {
    const std::size_t missing = shape.size() - from.shape.size();
    from.shape.insert(from.shape.begin(), missing, 1);
    from.strides.insert(from.strides.begin(), missing, 0);
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (from.shape[i] == 1) from.strides[i] = 0;
    }
    from.shape = shape;
    return from;
  }

  bool lower_pool(const Node& node) {
    const OperatorCall call(*graph_, node);
    const bool global = node.op == "GlobalAveragePool" || node.op == "GlobalMaxPool";
    const bool maximum = node.op == "MaxPool" || node.op == "GlobalMaxPool";
    if (!global && node.op != "MaxPool" && node.op != "AveragePool") return false;
    const Shape& shape = call.shape(0);
    if (shape.size() != 4 && shape.size() != 3) return false;
    WindowGeometry g;
    if (global) {
      g.channels = shape[1];
      g.input = {shape.size() == 4 ? shape[2] : 1, shape.back()};
      g.kernel = g.input;
    } else {
      g = window_geometry(call, call.integers("kernel_shape", {}));
    }
    const auto end = [&](std::size_t axis) {
      return (g.output[axis] - 1) * g.stride[axis] + g.kernel[axis] - g.input[axis] -
             g.pad_begin[axis];
    };
    const bool count_padding = call.integer("count_include_pad", 0) != 0;
    const bool beyond = end(0) > g.pad_end[0] || end(1) > g.pad_end[1];
    // oneDNN dilates differently and counts all padding alike; the plain definition is exact.
    if (g.dilation[0] != 1 || g.dilation[1] != 1 || (count_padding && beyond)) return false;
    if (g.pad_begin[0] >= g.kernel[0] || g.pad_begin[1] >= g.kernel[1] || end(0) >= g.kernel[0] ||
        end(1) >= g.kernel[1] || node.outputs.size() > 1) {
      return false;
    }
    const View input = dense(node.inputs[0], true);
    const View output = fresh_view(graph_->value(node.outputs[0]).shape, true);
    const auto f32 = memory::data_type::f32;
    const auto nhwc = memory::format_tag::nhwc;
    const memory::desc src({shape[0], g.channels, g.input[0], g.input[1]}, f32, nhwc);
    const memory::desc dst({shape[0], g.channels, g.output[0], g.output[1]}, f32, nhwc);
    const auto algorithm = maximum ? dnnl::algorithm::pooling_max
                                   : (count_padding ? dnnl::algorithm::pooling_avg_include_padding
                                                    : dnnl::algorithm::pooling_avg_exclude_padding);
    const dnnl::pooling_forward::primitive_desc pd(
        dnnl::pooling_forward::desc(dnnl::prop_kind::forward_inference, algorithm, src, dst,
                                    {g.stride[0], g.stride[1]}, {g.kernel[0], g.kernel[1]},
                                    {g.pad_begin[0], g.pad_begin[1]}, {end(0), end(1)}),
        attributes(), state_.engine);
    add_primitive(dnnl::pooling_forward(pd),
                  {{DNNL_ARG_SRC, src, input.place}, {DNNL_ARG_DST, dst, output.place}},
                  pd.scratchpad_desc(), meaning_of(node, input, output));
    define(node.outputs[0], output);
    return true;
  }

  // Softmax and layer normalisation over the last axis.
  bool lower_row_operator(const Node& node) {
    const OperatorCall call(*graph_, node);
    const auto f32 = memory::data_type::f32;
    if (node.op == "Softmax" || node.op == "LayerNormalization") {
      const std::int64_t rank = call.rank(0);
      const bool softmax = node.op == "Softmax";
      const std::int64_t fallback = softmax && call.opset() < 13 ? 1 : -1;
      if (call.axis(call.integer("axis", fallback), rank) != rank - 1) return false;
      if (node.outputs.size() > 1) return false;
      if (!softmax && (!call.is_constant(1) || (call.has_input(2) && !call.is_constant(2)))) {
        return false;
      }
      const View input = dense(node.inputs[0], false);
      const View output = elementwise_output(input, input.shape);
      const std::int64_t extent = input.shape.back();
      const std::int64_t rows = extent == 0 ? 0 : element_count(input.shape) / extent;
      const memory::desc flat({rows, extent}, f32, memory::format_tag::ab);
      if (softmax) {
        const dnnl::softmax_forward::primitive_desc pd(
            dnnl::softmax_forward::desc(dnnl::prop_kind::forward_inference, flat, 1), attributes(),
            state_.engine);
        add_primitive(dnnl::softmax_forward(pd),
                      {{DNNL_ARG_SRC, flat, input.place}, {DNNL_ARG_DST, flat, output.place}},
                      pd.scratchpad_desc(), meaning_of(node, input, output));
      } else {
        using Flags = dnnl::normalization_flags;
        const dnnl::layer_normalization_forward::primitive_desc pd(
            dnnl::layer_normalization_forward::desc(dnnl::prop_kind::forward_inference, flat,
                                                    static_cast<float>(call.real("epsilon", 1e-5)),
                                                    Flags::use_scale | Flags::use_shift),
            attributes(), state_.engine);
        const memory::desc vector({extent}, f32, memory::format_tag::a);
        const View scale = view(node.inputs[1]);
        const Place shift =
            call.has_input(2)
                ? view(node.inputs[2]).place
                : constant_place(std::vector<float>(static_cast<std::size_t>(extent), 0.0f));
        PrimitiveMeaning meaning = meaning_of(node, input, output);
        for (std::size_t i = 1; i < node.inputs.size(); ++i) {
          meaning.others.push_back(call.has_input(i) ? view(node.inputs[i]) : View{});
        }
        add_primitive(dnnl::layer_normalization_forward(pd),
                      {{DNNL_ARG_SRC, flat, input.place},
                       {DNNL_ARG_SCALE, vector, scale.place},
                       {DNNL_ARG_SHIFT, vector, shift},
                       {DNNL_ARG_DST, flat, output.place}},
                      pd.scratchpad_desc(), std::move(meaning));
      }
      define(node.outputs[0], output);
      return true;
    }
    return false;
  }

  // Slices are views; padding, concatenation and table look-ups are copies.
  std::optional<DigitalWay> lower_movement(const Node& node) {
    const OperatorCall call(*graph_, node);
    const Value& result = graph_->value(node.outputs[0]);
    if (node.op == "Slice") {
      const View from = view(node.inputs[0]);
      View to = from;
      to.shape = result.shape;
      const auto axes = slice_axes(call);
      for (std::size_t i = 0; i < axes.size(); ++i) {
        to.place.offset += axes[i].start * from.strides[i];
        to.strides[i] = axes[i].step * from.strides[i];
      }
      define(node.outputs[0], to);
      return DigitalWay::view;
    }
    if (node.op == "Split") {
      const auto axis = static_cast<std::size_t>(call.axis(call.integer("axis", 0), call.rank(0)));
      View part = view(node.inputs[0]);
      const auto sizes = split_sizes(call, part.shape[axis]);
      for (std::size_t i = 0; i < node.outputs.size(); ++i) {
        part.shape[axis] = sizes[i];
        define(node.outputs[i], part);
        part.place.offset += sizes[i] * part.strides[axis];
      }
      return DigitalWay::view;
    }
    if (node.op == "DepthToSpace" || node.op == "Resize" || node.op == "Upsample") {
      return lower_pixel_copy(node);
    }
    if (node.op == "Pad" && call.text("mode", "constant") == "constant" && !call.has_input(3) &&
        (!call.has_input(2) || call.is_constant(2))) {
      const auto pads = call.has_input(1) ? call.constant_integers(1) : call.integers("pads", {});
      const std::size_t rank = result.shape.size();
      for (const std::int64_t pad : pads) {
        if (pad < 0) return std::nullopt;
      }
      const View from = view(node.inputs[0]);
      const bool channels_last =
          rank >= 3 && !same_layout(from.shape, from.strides, row_major_strides(from.shape)) &&
          same_layout(from.shape, from.strides, channels_last_strides(from.shape));
      const View to = fresh_view(result.shape, channels_last);
      const auto fill = static_cast<float>(call.constant_real(2, call.real("value", 0)));
      add_step(std::make_unique<FillStep>(to.place, element_count(result.shape), fill), {to.place});
      View inside{to.place, from.shape, to.strides};
      for (std::size_t i = 0; i < rank; ++i) inside.place.offset += pads[i] * to.strides[i];
      add_step(std::make_unique<CopyStep>(from, inside), {from.place, to.place});
      define(node.outputs[0], to);
      return DigitalWay::kernel;
    }
    if (node.op == "Concat") {
      const auto axis = static_cast<std::size_t>(call.axis(call.integer("axis", 1), call.rank(0)));
      const View first = view(node.inputs[0]);
      const bool channels_last =
          first.shape.size() >= 3 &&
          !same_layout(first.shape, first.strides, row_major_strides(first.shape)) &&
          same_layout(first.shape, first.strides, channels_last_strides(first.shape));
      const View to = fresh_view(result.shape, channels_last);
      std::int64_t start = 0;
      for (const ValueId input : node.inputs) {
        const View from = view(input);
        View part{to.place, from.shape, to.strides};
        part.place.offset += start * to.strides[axis];
        add_step(std::make_unique<CopyStep>(from, part), {from.place, to.place});
        start += from.shape[axis];
      }
      define(node.outputs[0], to);
      return DigitalWay::kernel;
    }
    if (node.op == "Gather" && call.is_constant(0) && call.integer("axis", 0) == 0 &&
        call.type(0) == ElementType::real) {
      const View table = view(node.inputs[0]);
      const View indices = dense(node.inputs[1], false);
      const View to = fresh_view(result.shape, false);
      const std::int64_t rows = table.shape[0];
      add_step(std::make_unique<GatherRowsStep>(
                   table.place, rows, rows == 0 ? 0 : element_count(table.shape) / rows,
                   indices.place, element_count(indices.shape), to.place, node.name),
               {indices.place, to.place});
      define(node.outputs[0], to);
      return DigitalWay::kernel;
    }
    return std::nullopt;
  }

  // Images whose pixels are rearranged or repeated in whole blocks: one strided copy.
  std::optional<DigitalWay> lower_pixel_copy(const Node& node) {
    const OperatorCall call(*graph_, node);
    const Value& result = graph_->value(node.outputs[0]);
    View from = view(node.inputs[0]);
    if (from.shape.size() != 4) return std::nullopt;
    const View to = fresh_view(result.shape, true);
    // Source and target as (N, C, y, block row, x, block column).
    View source = from;
    View target{to.place, {}, {}};
    const auto split_target = [&](std::int64_t high, std::int64_t wide) {
      const Shape& s = to.strides;
      target.shape = {from.shape[0], result.shape[1], from.shape[2], high, from.shape[3], wide};
      target.strides = {s[0], s[1], s[2] * high, s[2], s[3] * wide, s[3]};
      source.shape = target.shape;
    };
    const Shape& s = from.strides;
    if (node.op == "DepthToSpace") {
      const std::int64_t block = call.integer("blocksize", 1);
      const bool depth_first = call.text("mode", "DCR") == "DCR";
      const std::int64_t channels = result.shape[1];
      // Channel of the input: (row, column, c) or (c, row, column).
      const std::int64_t c = depth_first ? 1 : block * block;
      const std::int64_t column = depth_first ? channels : 1;
      split_target(block, block);
      source.strides = {s[0], s[1] * c, s[2], s[1] * column * block, s[3], s[1] * column};
    } else {
      const auto axes = resize_axes(call);
      if (result.type != ElementType::real || !axes[0].is_copy || !axes[1].is_copy)
        return std::nullopt;
      const auto factor = [&](std::size_t axis) -> std::int64_t {
        const std::int64_t in = from.shape[axis];
        const std::int64_t out = result.shape[axis];
        if (axes[axis].is_copy) return 1;
        if (in < 1 || out % in != 0) return 0;
        const std::int64_t block = out / in;
        for (std::int64_t i = 0; i < out; ++i) {
          const auto& taps = axes[axis].taps[static_cast<std::size_t>(i)];
          if (taps.size() != 1 || taps[0].index != i / block) return 0;
        }
        return block;
      };
      const std::int64_t high = factor(2);
      const std::int64_t wide = factor(3);
      if (high * wide == 0) return lower_linear_resize(node, axes, to);
      split_target(high, wide);
      source.strides = {s[0], s[1], s[2], 0, s[3], 0};
    }
    add_step(std::make_unique<CopyStep>(source, target), {source.place, target.place});
    define(node.outputs[0], to);
    return DigitalWay::kernel;
  }

  // oneDNN interpolates at (i + 0.5) in / out - 0.5, and nothing else.
  std::optional<DigitalWay> lower_linear_resize(const Node& node,
                                                const std::vector<ResizeAxis>& axes,
                                                const View& to) {
    for (const std::size_t axis : {std::size_t{2}, std::size_t{3}}) {
      if (!axes[axis].is_half_pixel_linear && !axes[axis].is_copy) return std::nullopt;
    }
    const View input = dense(node.inputs[0], true);
    const auto f32 = memory::data_type::f32;
    const auto nhwc = memory::format_tag::nhwc;
    const memory::desc src({input.shape[0], input.shape[1], input.shape[2], input.shape[3]}, f32,
                           nhwc);
    const memory::desc dst({to.shape[0], to.shape[1], to.shape[2], to.shape[3]}, f32, nhwc);
    const dnnl::resampling_forward::primitive_desc pd(
        dnnl::resampling_forward::desc(dnnl::prop_kind::forward_inference,
                                       dnnl::algorithm::resampling_linear, src, dst),
        attributes(), state_.engine);
    add_primitive(dnnl::resampling_forward(pd),
                  {{DNNL_ARG_SRC, src, input.place}, {DNNL_ARG_DST, dst, to.place}},
                  pd.scratchpad_desc(), meaning_of(node, input, to));
    define(node.outputs[0], to);
    return DigitalWay::library;
  }

  void lower_plain(const Node& node) {
    std::vector<View> inputs;
    for (const ValueId input : node.inputs) {
      inputs.push_back(input == no_value ? View{} : dense(input, false));
    }
    std::vector<View> outputs;
    for (const ValueId output : node.outputs) {
      outputs.push_back(fresh_view(graph_->value(output).shape, false));
    }
    for (const View& view : inputs) use(view.place);
    for (const View& view : outputs) use(view.place);
    for (std::size_t i = 0; i < outputs.size(); ++i) define(node.outputs[i], outputs[i]);
    state_.steps.push_back(
        std::make_unique<PlainStep>(plain_graph(), node, std::move(inputs), std::move(outputs)));
  }

  // Plain steps look up shapes and small constants in a copy of the graph without its weights.
  std::shared_ptr<const Graph> plain_graph() {
    if (!plain_graph_) {
      auto copy = std::make_shared<Graph>();
      copy->name = graph_->name;
      copy->opset = graph_->opset;
      for (const Value& value : graph_->values) {
        Value light;
        light.name = value.name;
        light.type = value.type;
        light.shape = value.shape;
        light.shape_known = value.shape_known;
        if (value.constant && value.constant->size() <= small_constant) {
          light.constant = value.constant;
        }
        copy->values.push_back(std::move(light));
      }
      plain_graph_ = std::move(copy);
    }
    return plain_graph_;
  }

  const ProgramOptions& options_;
  Program::State& state_;
  Graph* graph_ = nullptr;
  std::vector<std::optional<View>> views_;
  std::vector<std::vector<int>> readers_;
  std::vector<bool> pending_graph_output_;
  std::vector<int> pending_;          // of every buffer: reads that are still to come
  std::vector<bool> static_product_;  // of every node: a product with constant weights
  std::map<int, std::size_t> product_index_;
  std::map<int, Fusion> fusions_;
  struct SharedWeights {
    const void* constant = nullptr;
    memory::desc plain;
    memory target;
  };
  std::vector<SharedWeights> shared_weights_;
  std::map<int, std::vector<int>> continue_at_;
  std::set<int> absorbed_;
  std::map<int, DigitalFusion> digital_fusions_;  // by last node
  std::shared_ptr<const Graph> plain_graph_;
};

}  // namespace

void lower(Graph graph, const ProgramOptions& options, Program::State& state) {
  Lowering(std::move(graph), options, state);
}

}  // namespace attojoule::network
