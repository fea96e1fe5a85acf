#include "network/backward.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "network/backward_kernels.hpp"
#include "network/plain_adjoint.hpp"
#include "network/single_thread.hpp"

namespace attojoule::network {

using dnnl::memory;

namespace {

class ZeroBackward : public BackwardStep {
 public:
  ZeroBackward(GradientPlace to, std::size_t bytes) : to_(to), bytes_(bytes) {}
  void run(BackwardRun& run) const override {
    std::fill_n(run.at(to_), bytes_ / sizeof(float), 0.0f);
  }

 private:
  GradientPlace to_;
  std::size_t bytes_;
};

}  // namespace

BackwardBuilder::BackwardBuilder(Program::State& state, std::vector<bool> digital,
                                 bool weight_noise, BackwardPlan& plan)
    : state_(state), digital_(std::move(digital)), weight_noise_(weight_noise), plan_(plan) {
  const SingleThread planning;
  digital_.resize(state.products.size(), false);
  active_.assign(state.buffers.size(), false);
  buffer_.assign(state.buffers.size(), -1);
  for (const MatrixProduct& product : state.products) {
    plan.first_energy.push_back(plan.energies);
    plan.energies +=
        product.kind == ProductKind::dynamic ? 1 : static_cast<std::size_t>(product.channels);
  }
  for (const auto& step : state.steps) step->mark_active(*this);
  const Place output = state.output.place;
  if (output.buffer < 0) return;
  plan.output = target(output, element_count(state.output.shape)).place;
  for (std::size_t i = state.steps.size(); i-- > 0;) state.steps[i]->differentiate(*this);
  plan.memory = plan_memory(plan.buffers);
}

bool BackwardBuilder::is_active(const Place& place) const {
  return place.buffer >= 0 && active_[static_cast<std::size_t>(place.buffer)];
}

void BackwardBuilder::set_active(const Place& place) {
  active_[static_cast<std::size_t>(place.buffer)] = true;
}

bool BackwardBuilder::has_gradient(const Place& place) const {
  return place.buffer >= 0 && buffer_[static_cast<std::size_t>(place.buffer)] >= 0;
}

Place BackwardBuilder::new_buffer(std::size_t bytes) {
  BufferLife life;
  life.bytes = std::max<std::size_t>(bytes, sizeof(float));
  life.first = static_cast<int>(plan_.steps.size());
  life.last = life.first;
  plan_.buffers.push_back(life);
  return Place{static_cast<BufferId>(plan_.buffers.size() - 1), nullptr, 0};
}

void BackwardBuilder::use(const Place& place) {
  auto& life = plan_.buffers[static_cast<std::size_t>(place.buffer)];
  life.last = std::max(life.last, static_cast<int>(plan_.steps.size()));
}

GradientPlace BackwardBuilder::gradient(const Place& place) {
  return {{buffer_[static_cast<std::size_t>(place.buffer)], nullptr, place.offset}};
}

BackwardBuilder::Target BackwardBuilder::target(const Place& place, std::int64_t count) {
  const auto id = static_cast<std::size_t>(place.buffer);
  if (buffer_[id] >= 0) return {gradient(place), true};
  const std::size_t bytes = state_.buffers[id].bytes;
  if (place.offset == 0 && static_cast<std::size_t>(count) * sizeof(float) == bytes) {
    buffer_[id] = new_buffer(bytes).buffer;
    return {gradient(place), false};
  }
  return {sum(place), true};
}

GradientPlace BackwardBuilder::sum(const Place& place) {
  const auto id = static_cast<std::size_t>(place.buffer);
  if (buffer_[id] < 0) {
    const std::size_t bytes = state_.buffers[id].bytes;
    const Place whole = new_buffer(bytes);
    buffer_[id] = whole.buffer;
    add_step(std::make_unique<ZeroBackward>(GradientPlace{whole}, bytes), {GradientPlace{whole}});
  }
  return gradient(place);
}

GradientPlace BackwardBuilder::scratch(std::int64_t elements) {
  return {new_buffer(static_cast<std::size_t>(elements) * sizeof(float))};
}

void BackwardBuilder::add_step(std::unique_ptr<BackwardStep> step,
                               const std::vector<GradientPlace>& places) {
  for (const GradientPlace& place : places) {
    if (place.place.buffer >= 0) use(place.place);
  }
  plan_.steps.push_back(std::move(step));
}

BackwardCall* BackwardBuilder::add_call(dnnl::primitive primitive,
                                        std::vector<BackwardCall::Argument> arguments,
                                        const memory::desc& scratchpad) {
  auto call = std::make_unique<BackwardCall>();
  call->primitive = std::move(primitive);
  if (scratchpad.get_size() > 0) {
    arguments.push_back({DNNL_ARG_SCRATCHPAD, scratchpad, true, new_buffer(scratchpad.get_size())});
  }
  call->arguments = std::move(arguments);
  call->slot = plan_.calls.size();
  plan_.calls.push_back(std::move(call));
  return plan_.calls.back().get();
}

std::vector<GradientPlace> BackwardBuilder::gradients_of(const BackwardCall& call) const {
  std::vector<GradientPlace> places;
  for (const auto& argument : call.arguments) {
    if (argument.gradient) places.push_back({argument.place});
  }
  return places;
}

void BackwardBuilder::note_operator(const Node& node, const Place& output) {
  if (node.op == "Softmax" && output.buffer == state_.output.place.buffer &&
      output.offset == state_.output.place.offset) {
    plan_.probabilities = true;
  }
}

dnnl::primitive_attr BackwardBuilder::attributes() const {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

memory BackwardBuilder::weights(std::size_t product, const memory::desc& wanted, bool swapped) {
  auto& held = state_.weights[product];
  memory target(wanted, state_.engine);
  dnnl::stream stream(state_.engine);
  memory plain(held.plain, state_.engine);
  dnnl::reorder(held.targets[0], plain).execute(stream, held.targets[0], plain);
  memory source = plain;
  if (swapped) {
    source = memory(held.plain.permute_axes({1, 0}), state_.engine, plain.get_data_handle());
  }
  dnnl::reorder(source, target).execute(stream, source, target);
  stream.wait();
  (swapped ? held.swapped_targets : held.targets).push_back(target);
  state_.weight_bytes += wanted.get_size();
  return target;
}

memory BackwardBuilder::weight_noise_of(std::size_t product, const memory::desc& like) {
  auto& held = state_.weights[product];
  held.noise = memory(like, state_.engine);
  std::fill_n(static_cast<std::byte*>(held.noise.get_data_handle()), like.get_size(), std::byte{0});
  state_.weight_bytes += like.get_size();
  return held.noise;
}

// ---- steps without noise ----

namespace {

std::size_t flat_count(const View& view) {
  return static_cast<std::size_t>(element_count(view.shape));
}

// Gradients through a copy: from += to.
class CopyBackward : public BackwardStep {
 public:
  CopyBackward(Shape shape, GradientPlace to, Shape to_strides, GradientPlace from,
               Shape from_strides)
      : shape_(std::move(shape)),
        to_(to),
        to_strides_(std::move(to_strides)),
        from_(from),
        from_strides_(std::move(from_strides)) {}
  void run(BackwardRun& run) const override {
    add_strided(run.at(to_), to_strides_, run.at(from_), from_strides_, shape_);
  }

 private:
  Shape shape_;
  GradientPlace to_;
  Shape to_strides_;
  GradientPlace from_;
  Shape from_strides_;
};

// One operand's gradient of a binary operation.
class BinaryBackward : public BackwardStep {
 public:
  struct Operand {
    View view;
    GradientPlace gradient;
  };
  BinaryBackward(BinaryOperation operation, bool first, View own, View other, View out,
                 GradientPlace out_gradient, GradientPlace gradient)
      : operation_(operation),
        first_(first),
        own_(std::move(own)),
        other_(std::move(other)),
        out_(std::move(out)),
        out_gradient_(out_gradient),
        gradient_(gradient) {}

  void run(BackwardRun& run) const override {
    const float* g = run.at(out_gradient_);
    float* to = run.at(gradient_);
    const float* own = run.forward.read(own_.place);
    const float* other = run.forward.read(other_.place);
    switch (operation_) {
      case BinaryOperation::add:
        add_strided(g, out_.strides, to, own_.strides, out_.shape);
        return;
      case BinaryOperation::subtract:
        if (first_) {
          add_strided(g, out_.strides, to, own_.strides, out_.shape);
        } else {
          const float one = 1;
          add_strided_product(-1, g, out_.strides, &one, Shape(out_.shape.size(), 0), to,
                              own_.strides, out_.shape);
        }
        return;
      case BinaryOperation::multiply:
        add_strided_product(1, g, out_.strides, other, other_.strides, to, own_.strides,
                            out_.shape);
        return;
      default:
        break;
    }
    Shape index(out_.shape.size(), 0);
    const auto count = element_count(out_.shape);
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t at_own = 0, at_other = 0, at_out = 0;
      for (std::size_t axis = 0; axis < index.size(); ++axis) {
        at_own += index[axis] * own_.strides[axis];
        at_other += index[axis] * other_.strides[axis];
        at_out += index[axis] * out_.strides[axis];
      }
      to[at_own] += g[at_out] * slope(own[at_own], other[at_other]);
      for (std::size_t axis = index.size(); axis-- > 0;) {
        if (++index[axis] < out_.shape[axis]) break;
        index[axis] = 0;
      }
    }
  }

 private:
  float slope(float own, float other) const {
    switch (operation_) {
      case BinaryOperation::divide:
        return first_ ? 1 / other : -other / (own * own);
      // Of two equal operands the first counts.
      case BinaryOperation::minimum:
        return (first_ ? own <= other : own < other) ? 1.0f : 0.0f;
      case BinaryOperation::maximum:
        return (first_ ? own >= other : own > other) ? 1.0f : 0.0f;
      case BinaryOperation::power:
        if (first_) return other == 0 ? 0.0f : other * std::pow(own, other - 1);
        return other > 0 ? std::pow(other, own) * std::log(other) : 0.0f;
      default:
        return 0;
    }
  }

  BinaryOperation operation_;
  bool first_;
  View own_, other_, out_;
  GradientPlace out_gradient_, gradient_;
};

// Activations of contiguous elements.
class EltwiseBackward : public BackwardStep {
 public:
  EltwiseBackward(dnnl::algorithm algorithm, float alpha, float beta, Place x, Place y,
                  GradientPlace dy, BackwardBuilder::Target dx, std::size_t count)
      : algorithm_(algorithm),
        alpha_(alpha),
        beta_(beta),
        x_(x),
        y_(y),
        dy_(dy),
        dx_(dx),
        count_(count) {}

  void run(BackwardRun& run) const override {
    using dnnl::algorithm;
    switch (algorithm_) {
      case algorithm::eltwise_relu:
        return sweep(run, [a = alpha_](float x, float) { return x > 0 ? 1.0f : a; });
      case algorithm::eltwise_logistic:
        return sweep(run, [](float, float y) { return y * (1 - y); });
      case algorithm::eltwise_tanh:
        return sweep(run, [](float, float y) { return 1 - y * y; });
      case algorithm::eltwise_exp:
        return sweep(run, [](float, float y) { return y; });
      case algorithm::eltwise_sqrt:
        return sweep(run, [](float, float y) { return 0.5f / y; });
      case algorithm::eltwise_abs:
        return sweep(run, [](float x, float) { return x > 0 ? 1.0f : (x < 0 ? -1.0f : 0.0f); });
      case algorithm::eltwise_elu:
        return sweep(run, [a = alpha_](float x, float y) { return x > 0 ? 1.0f : y + a; });
      case algorithm::eltwise_hardswish:
        return sweep(
            run, [](float x, float) { return x <= -3 ? 0.0f : (x >= 3 ? 1.0f : x / 3 + 0.5f); });
      case algorithm::eltwise_gelu_erf:
        return sweep(run, [](float x, float) {
          constexpr float root_half = 1 / std::numbers::sqrt2_v<float>;
          const float density = std::exp(-x * x / 2) * std::numbers::inv_sqrtpi_v<float>;
          return (1 + std::erf(x * root_half)) / 2 + x * density * root_half;
        });
      case algorithm::eltwise_gelu_tanh:
        return sweep(run, [](float x, float) {
          constexpr float inner = std::numbers::sqrt2_v<float> * std::numbers::inv_sqrtpi_v<float>;
          const float t = std::tanh(inner * (x + 0.044715f * x * x * x));
          return (1 + t) / 2 + x / 2 * (1 - t * t) * inner * (1 + 3 * 0.044715f * x * x);
        });
      case algorithm::eltwise_linear:
        return sweep(run, [a = alpha_](float, float) { return a; });
      case algorithm::eltwise_clip:
        return sweep(run, [low = alpha_, high = beta_](float x, float) {
          return x > low && x < high ? 1.0f : 0.0f;
        });
      default:
        return;
    }
  }

  static bool knows(dnnl::algorithm asked) {
    using dnnl::algorithm;
    for (const auto known :
         {algorithm::eltwise_relu, algorithm::eltwise_logistic, algorithm::eltwise_tanh,
          algorithm::eltwise_exp, algorithm::eltwise_sqrt, algorithm::eltwise_abs,
          algorithm::eltwise_elu, algorithm::eltwise_hardswish, algorithm::eltwise_gelu_erf,
          algorithm::eltwise_gelu_tanh, algorithm::eltwise_linear, algorithm::eltwise_clip}) {
      if (asked == known) return true;
    }
    return false;
  }

 private:
  template <class Slope>
  void sweep(BackwardRun& run, Slope slope) const {
    const float* x = run.forward.read(x_);
    const float* y = run.forward.read(y_);
    const float* dy = run.at(dy_);
    float* dx = run.at(dx_.place);
    if (dx_.add) {
      for (std::size_t i = 0; i < count_; ++i) dx[i] += dy[i] * slope(x[i], y[i]);
    } else {
      for (std::size_t i = 0; i < count_; ++i) dx[i] = dy[i] * slope(x[i], y[i]);
    }
  }

  dnnl::algorithm algorithm_;
  float alpha_, beta_;
  Place x_, y_;
  GradientPlace dy_;
  BackwardBuilder::Target dx_;
  std::size_t count_;
};

class ErfBackward : public BackwardStep {
 public:
  ErfBackward(Place x, GradientPlace dy, BackwardBuilder::Target dx, std::int64_t count)
      : x_(x), dy_(dy), dx_(dx), count_(count) {}
  void run(BackwardRun& run) const override {
    const float* x = run.forward.read(x_);
    const float* dy = run.at(dy_);
    float* dx = run.at(dx_.place);
    constexpr float factor = 2 * std::numbers::inv_sqrtpi_v<float>;
    for (std::int64_t i = 0; i < count_; ++i) {
      const float value = dy[i] * factor * std::exp(-x[i] * x[i]);
      dx[i] = dx_.add ? dx[i] + value : value;
    }
  }

 private:
  Place x_;
  GradientPlace dy_;
  BackwardBuilder::Target dx_;
  std::int64_t count_;
};

// The straight-through derivative of a quantiser: 1 inside its range, 0 outside.
class QuantiserBackward : public BackwardStep {
 public:
  QuantiserBackward(const Quantiser& quantiser, Place x, GradientPlace dy,
                    BackwardBuilder::Target dx, std::int64_t count)
      : quantiser_(quantiser), x_(x), dy_(dy), dx_(dx), count_(count) {}
  void run(BackwardRun& run) const override {
    const float low = (-0.5f - static_cast<float>(quantiser_.zero_point)) * quantiser_.scale;
    const float high =
        (static_cast<float>(quantiser_.highest - quantiser_.zero_point) + 0.5f) * quantiser_.scale;
    const float* x = run.forward.read(x_);
    const float* dy = run.at(dy_);
    float* dx = run.at(dx_.place);
    for (std::int64_t i = 0; i < count_; ++i) {
      const float value = x[i] >= low && x[i] <= high ? dy[i] : 0.0f;
      dx[i] = dx_.add ? dx[i] + value : value;
    }
  }

 private:
  Quantiser quantiser_;
  Place x_;
  GradientPlace dy_;
  BackwardBuilder::Target dx_;
  std::int64_t count_;
};

// 1 where the operand was encoded as it is, 0 where it was clipped.
class LimitBackward : public BackwardStep {
 public:
  LimitBackward(const LimitStep& step, Place x, GradientPlace dy, BackwardBuilder::Target dx,
                std::int64_t count)
      : step_(step), x_(x), dy_(dy), dx_(dx), count_(count) {}
  void run(BackwardRun& run) const override {
    const float limit = step_.reach(run.forward);
    const float* x = run.forward.read(x_);
    const float* dy = run.at(dy_);
    float* dx = run.at(dx_.place);
    for (std::int64_t i = 0; i < count_; ++i) {
      const float value = std::abs(x[i]) <= limit ? dy[i] : 0.0f;
      dx[i] = dx_.add ? dx[i] + value : value;
    }
  }

 private:
  LimitStep step_;
  Place x_;
  GradientPlace dy_;
  BackwardBuilder::Target dx_;
  std::int64_t count_;
};

// Any operator, by the plain definition of its adjoint.
class PlainBackward : public BackwardStep {
 public:
  struct Gradient {
    GradientPlace place;
    bool exists = false;
  };
  PlainBackward(std::shared_ptr<const Graph> graph, Node node, std::vector<View> inputs,
                std::vector<View> outputs, std::vector<Gradient> output_gradients,
                std::vector<Gradient> input_gradients)
      : graph_(std::move(graph)),
        node_(std::move(node)),
        inputs_(std::move(inputs)),
        outputs_(std::move(outputs)),
        output_gradients_(std::move(output_gradients)),
        input_gradients_(std::move(input_gradients)) {}

  void run(BackwardRun& run) const override {
    std::vector<DoubleTensor> held(inputs_.size());
    InputTensors inputs;
    std::vector<std::vector<double>> din(inputs_.size());
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (!inputs_[i].place.exists()) {
        inputs.push_back(nullptr);
        continue;
      }
      held[i] = tensor(node_.inputs[i], inputs_[i],
                       values(run.forward.read(inputs_[i].place), inputs_[i]));
      inputs.push_back(&held[i]);
      if (input_gradients_[i].exists) din[i].assign(held[i].values.size(), 0.0);
    }
    std::vector<DoubleTensor> outputs;
    std::vector<std::vector<double>> dout(outputs_.size());
    for (std::size_t o = 0; o < outputs_.size(); ++o) {
      outputs.push_back(tensor(node_.outputs[o], outputs_[o],
                               values(run.forward.read(outputs_[o].place), outputs_[o])));
      if (output_gradients_[o].exists) {
        dout[o] = values(run.at(output_gradients_[o].place), outputs_[o]);
      }
    }
    add_plain_adjoint(*graph_, node_, inputs, outputs, dout, din);
    std::vector<float> flat;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (din[i].empty()) continue;
      flat.resize(din[i].size());
      std::transform(din[i].begin(), din[i].end(), flat.begin(),
                     [](double value) { return static_cast<float>(value); });
      add_strided(flat.data(), row_major_strides(inputs_[i].shape),
                  run.at(input_gradients_[i].place), inputs_[i].strides, inputs_[i].shape);
    }
  }

 private:
  static std::vector<double> values(const float* from, const View& view) {
    std::vector<float> dense(flat_count(view));
    copy_strided(from, view.strides, dense.data(), row_major_strides(view.shape), view.shape);
    return {dense.begin(), dense.end()};
  }
  DoubleTensor tensor(ValueId id, const View& view, std::vector<double> values) const {
    DoubleTensor result;
    result.type = graph_->value(id).type;
    result.shape = view.shape;
    result.values = std::move(values);
    return result;
  }

  std::shared_ptr<const Graph> graph_;
  Node node_;
  std::vector<View> inputs_, outputs_;
  std::vector<Gradient> output_gradients_, input_gradients_;
};

void differentiate_plain(BackwardBuilder& builder, const std::shared_ptr<const Graph>& graph,
                         const Node& node, const std::vector<View>& inputs,
                         const std::vector<View>& outputs) {
  if (!outputs.empty()) builder.note_operator(node, outputs[0].place);
  bool reached = false;
  for (const View& view : outputs) {
    reached = reached || (builder.is_active(view.place) && builder.has_gradient(view.place));
  }
  if (!reached || is_step_function(*graph, node)) return;
  if (!has_plain_adjoint(node)) {
    OperatorCall(*graph, node)
        .fail("an operator without a derivative between noisy products and the loss",
              "Replace it, or name the products before it as digital_layers");
  }
  std::vector<PlainBackward::Gradient> dout, din;
  std::vector<GradientPlace> places;
  for (const View& view : outputs) {
    const bool exists = builder.has_gradient(view.place);
    dout.push_back({exists ? builder.gradient(view.place) : GradientPlace{}, exists});
    if (exists) places.push_back(dout.back().place);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const bool exists = builder.is_active(inputs[i].place) && carries_gradient(*graph, node, i);
    din.push_back({exists ? builder.sum(inputs[i].place) : GradientPlace{}, exists});
    if (exists) places.push_back(din.back().place);
  }
  builder.add_step(std::make_unique<PlainBackward>(graph, node, inputs, outputs, std::move(dout),
                                                   std::move(din)),
                   places);
}

}  // namespace

void CopyStep::mark_active(BackwardBuilder& builder) const {
  if (builder.is_active(from_.place)) builder.set_active(to_.place);
}
void CopyStep::differentiate(BackwardBuilder& builder) const {
  if (!builder.is_active(from_.place) || !builder.has_gradient(to_.place)) return;
  const GradientPlace to = builder.gradient(to_.place);
  const GradientPlace from = builder.sum(from_.place);
  builder.add_step(std::make_unique<CopyBackward>(to_.shape, to, to_.strides, from, from_.strides),
                   {to, from});
}

void FillStep::mark_active(BackwardBuilder&) const {}
void FillStep::differentiate(BackwardBuilder&) const {}

void BinaryStep::mark_active(BackwardBuilder& builder) const {
  if (builder.is_active(a_.place) || builder.is_active(b_.place)) builder.set_active(out_.place);
}
void BinaryStep::differentiate(BackwardBuilder& builder) const {
  if (!builder.has_gradient(out_.place)) return;
  for (const bool first : {true, false}) {
    const View& own = first ? a_ : b_;
    if (!builder.is_active(own.place)) continue;
    const GradientPlace out = builder.gradient(out_.place);
    const GradientPlace to = builder.sum(own.place);
    builder.add_step(
        std::make_unique<BinaryBackward>(operation_, first, own, first ? b_ : a_, out_, out, to),
        {out, to});
  }
}

void ErfStep::mark_active(BackwardBuilder& builder) const {
  if (builder.is_active(from_)) builder.set_active(to_);
}
void ErfStep::differentiate(BackwardBuilder& builder) const {
  if (!builder.is_active(from_) || !builder.has_gradient(to_)) return;
  const GradientPlace to = builder.gradient(to_);
  const auto from = builder.target(from_, count_);
  builder.add_step(std::make_unique<ErfBackward>(from_, to, from, count_), {to, from.place});
}

// Indices are whole numbers, and the table is constant.
void GatherRowsStep::mark_active(BackwardBuilder&) const {}
void GatherRowsStep::differentiate(BackwardBuilder&) const {}

void FakeQuantiseStep::mark_active(BackwardBuilder& builder) const {
  if (builder.is_active(from_)) builder.set_active(to_);
}
void FakeQuantiseStep::differentiate(BackwardBuilder& builder) const {
  if (!builder.is_active(from_) || !builder.has_gradient(to_)) return;
  const GradientPlace to = builder.gradient(to_);
  const auto from = builder.target(from_, count_);
  builder.add_step(std::make_unique<QuantiserBackward>(quantiser_, from_, to, from, count_),
                   {to, from.place});
}

void LimitStep::mark_active(BackwardBuilder& builder) const {
  if (builder.is_active(from_)) builder.set_active(to_);
}
void LimitStep::differentiate(BackwardBuilder& builder) const {
  if (!builder.is_active(from_) || !builder.has_gradient(to_)) return;
  const GradientPlace to = builder.gradient(to_);
  const auto from = builder.target(from_, count_);
  builder.add_step(std::make_unique<LimitBackward>(*this, from_, to, from, count_),
                   {to, from.place});
}

// Integer products are not lowered in programs of gradients.
void QuantiseStep::mark_active(BackwardBuilder&) const {}
void QuantiseStep::differentiate(BackwardBuilder&) const {}

void PlainStep::mark_active(BackwardBuilder& builder) const {
  if (is_step_function(*graph_, node_)) return;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (!builder.is_active(inputs_[i].place) || !carries_gradient(*graph_, node_, i)) continue;
    for (const View& output : outputs_) builder.set_active(output.place);
  }
}
void PlainStep::differentiate(BackwardBuilder& builder) const {
  differentiate_plain(builder, graph_, node_, inputs_, outputs_);
}

void PrimitiveStep::mark_active(BackwardBuilder& builder) const {
  if (builder.is_active(meaning_.input.place)) builder.set_active(meaning_.output.place);
}
void PrimitiveStep::differentiate(BackwardBuilder& builder) const {
  const View& input = meaning_.input;
  const View& output = meaning_.output;
  if (!meaning_.eltwise || !EltwiseBackward::knows(*meaning_.eltwise)) {
    std::vector<View> inputs{input};
    inputs.insert(inputs.end(), meaning_.others.begin(), meaning_.others.end());
    // An operator's optional inputs that it does without.
    inputs.resize(meaning_.node.inputs.size());
    differentiate_plain(builder, graph_, meaning_.node, inputs, {output});
    return;
  }
  if (!builder.is_active(input.place) || !builder.has_gradient(output.place)) return;
  const GradientPlace dy = builder.gradient(output.place);
  const auto count = flat_count(input);
  const auto dx = builder.target(input.place, static_cast<std::int64_t>(count));
  builder.add_step(
      std::make_unique<EltwiseBackward>(*meaning_.eltwise, meaning_.alpha, meaning_.beta,
                                        input.place, output.place, dy, dx, count),
      {dy, dx.place});
}

// ---- products ----

class ProductBackward : public BackwardStep {
 public:
  ProductBackward(const ProductStep& step, BackwardBuilder& builder) : step_(step) {
    const auto& l = step.layout_;
    const auto& e = step.epilogue_;
    digital_ = builder.is_digital(l.product);
    gradient_ = builder.gradient(l.output);
    places_.push_back(gradient_);
    if (e.summand.exists() && builder.is_active(e.summand)) {
      residual_ = builder.target(e.summand, l.positions * l.channels);
      places_.push_back(residual_->place);
    }
    const auto scratch = [&](std::int64_t elements) {
      const GradientPlace place = builder.scratch(elements);
      places_.push_back(place);
      return place;
    };
    sums_ = scratch(3 * l.channels);
    input_active_ = builder.is_active(l.input);
    if (builder.weight_noise() && !digital_) {
      std::vector<BackwardCall::Argument> arguments;
      noise_output_ = scratch(l.positions * l.channels);
      memory::desc weights;
      for (const auto& argument : step.raw_->arguments) {
        if (argument.name == DNNL_ARG_SRC) {
          arguments.push_back({DNNL_ARG_SRC, argument.desc, false, argument.place});
        } else if (argument.name == DNNL_ARG_DST) {
          arguments.push_back({DNNL_ARG_DST, argument.desc, true, noise_output_.place});
        } else {
          arguments.push_back(
              {argument.name, argument.desc, true,
               scratch(static_cast<std::int64_t>(argument.desc.get_size() / sizeof(float)) + 1)
                   .place});
        }
      }
      auto* call = builder.add_call(step.raw_->primitive, std::move(arguments), memory::desc());
      call->shared.emplace_back(
          DNNL_ARG_WEIGHTS,
          builder.weight_noise_of(l.product, step.raw_->shared.at(0).second.get_desc()));
      noise_call_ = call;
    }
    if (!input_active_) return;
    input_ = builder.target(l.input, l.input_count);
    places_.push_back(input_.place);
    data_output_ = input_.add ? scratch(l.input_count) : input_.place;
    if (l.backward_tiles != nullptr) {
      tiles_room_ = scratch(winograd_room(*l.backward_tiles, l.window.input));
    } else {
      data_call_ = l.window.channels == 0 ? rows_call(builder) : windows_call(builder);
    }
    if (!digital_) {
      norm_gradient_ = scratch(l.groups == 1 ? l.positions : l.positions * l.channels);
      group_gradient_ = l.groups != 1 && l.groups != l.channels ? scratch(l.positions * l.groups)
                                                                : norm_gradient_;
      if (l.windowed) {
        const WindowGeometry& g = l.window;
        scratch_ = scratch(g.input[0] * g.output[1] * l.groups);
        map_ = scratch(g.input[0] * g.input[1] * l.groups);
      }
    }
    places_.push_back(data_output_);
    if (data_call_ == nullptr) return;
    for (const GradientPlace& place : builder.gradients_of(*data_call_)) places_.push_back(place);
  }

  const std::vector<GradientPlace>& places() const { return places_; }

  void run(BackwardRun& run) const override {
    const auto& l = step_.layout_;
    const auto& e = step_.epilogue_;
    const CompiledNoise* noise =
        run.forward.noise.empty() || digital_ ? nullptr : &run.forward.noise[l.product];
    const bool has_noise = noise != nullptr && noise->kind != NoiseKind::none;
    const bool noisy = has_noise && run.forward.settings.noisy;
    const bool counting = has_noise && noise->kind == NoiseKind::photon_counting;
    double* energies = run.energies + run.first_energy[l.product];

    NoiseGradient pass;
    pass.positions = l.positions;
    pass.channels = l.channels;
    pass.norm_per_channel = l.groups != 1;
    pass.gradient = run.at(gradient_);
    pass.output = run.forward.at(l.output);
    pass.low = e.low;
    pass.high = e.high;
    if (residual_) {
      pass.residual = run.at(residual_->place);
      pass.add_residual = residual_->add;
    }
    if (run.curvature || !noisy) {
      carry_noise_gradient(pass);
      pass.output = nullptr;
      pass.residual = nullptr;
      pass.low = -std::numeric_limits<float>::infinity();
      pass.high = -pass.low;
    }
    pass.accumulator = run.forward.at(l.raw);
    if (has_noise) {
      // A clean forward pass has not summed the inputs.
      pass.norms = noisy ? run.forward.at(l.groups == 1 || l.groups == l.channels ? l.norms
                                                                                  : l.channel_norms)
                         : step_.reduce_inputs(run.forward, !counting);
      pass.variance_offset = noise->offset.data();
      pass.variance_slope = noise->slope.data();
      if (noisy && noise->kind == NoiseKind::gaussian && l.keeps_noise &&
          !noise->deviation.empty()) {
        pass.error = run.forward.at(l.raw);
      }
      pass.signal = noise->signal.data();
      pass.has_offset = noise->has_offset;
      pass.stream = {
          run.forward.settings.seed,
          counting ? photonics::NoiseDomain::photon_count : photonics::NoiseDomain::detection,
          static_cast<std::uint32_t>(l.product), run.forward.sample, 0};
    }
    pass.noisy = noisy;
    if (input_active_ && has_noise) pass.norm_gradient = run.at(norm_gradient_);
    if (run.curvature && has_noise) add_curvature(run, pass, *noise, energies);
    if (noisy && counting) {
      std::vector<double> unused(run.curvature ? static_cast<std::size_t>(l.channels) : 0, 0.0);
      carry_counting_gradient(pass, noise->photons.data(), noise->weight_low, noise->weight_span,
                              run.curvature ? unused.data() : energies);
    } else if (noisy) {
      float* sums = run.at(sums_);
      std::fill_n(sums, 3 * l.channels, 0.0f);
      pass.offset_gradient = sums;
      pass.slope_gradient = sums + l.channels;
      pass.signal_gradient = sums + 2 * l.channels;
      carry_noise_gradient(pass);
      if (!run.curvature) add_energies(run, pass, energies);
    }
    if (noise_call_ != nullptr) add_weight_noise(run, pass.gradient, energies);
    if (!input_active_) return;
    if (data_call_ != nullptr) {
      data_call_->run(run);
    } else {
      carry_by_tiles(run);
    }
    carry_norms(run, noisy, counting);
  }

 private:
  // The convolution of the outputs' gradient with the kernel turned round.
  void carry_by_tiles(BackwardRun& run) const {
    const auto& l = step_.layout_;
    const WindowGeometry& g = l.window;
    const WinogradPlanes planes{g.output, {2 - g.pad_begin[0], 2 - g.pad_begin[1]}, g.input};
    const std::int64_t from = g.positions() * l.channels;
    const std::int64_t to = g.input[0] * g.input[1] * g.channels;
    for (std::int64_t n = 0; n < l.batch; ++n) {
      winograd_convolution(*l.backward_tiles, planes, run.at(gradient_) + n * from,
                           run.at(tiles_room_), run.at(data_output_) + n * to);
    }
  }

  void add_energies(const BackwardRun& run, const NoiseGradient& pass, double* energies) const {
    const NoiseSlopes& slopes = run.slopes[step_.layout_.product];
    for (std::size_t c = 0; c < slopes.slope.size(); ++c) {
      energies[c] += static_cast<double>(slopes.slope[c]) * pass.slope_gradient[c];
      if (!pass.has_offset) continue;
      energies[c] += static_cast<double>(slopes.offset[c]) * pass.offset_gradient[c] +
                     static_cast<double>(slopes.signal[c]) * pass.signal_gradient[c];
    }
  }

  void add_curvature(const BackwardRun& run, const NoiseGradient& pass, const CompiledNoise& noise,
                     double* energies) const {
    const auto channels = static_cast<std::size_t>(pass.channels);
    if (noise.kind == NoiseKind::photon_counting) {
      add_counting_curvature(pass, noise.photons.data(), noise.weight_low, noise.weight_span,
                             energies);
      return;
    }
    std::vector<double> sums(3 * channels, 0.0);
    add_squared_gradients(pass.gradient, pass.accumulator, pass.norms, pass.norm_per_channel,
                          pass.positions, pass.channels, sums.data(), sums.data() + channels,
                          sums.data() + 2 * channels);
    const NoiseSlopes& slopes = run.slopes[step_.layout_.product];
    for (std::size_t c = 0; c < channels; ++c) {
      energies[c] -= slopes.offset[c] * sums[c] + slopes.slope[c] * sums[channels + c] +
                     slopes.signal[c] * sums[2 * channels + c];
    }
  }

  // What the noise of the weights adds to y is a product of its own.
  void add_weight_noise(BackwardRun& run, const float* gradient, double* energies) const {
    const auto& l = step_.layout_;
    noise_call_->run(run);
    std::vector<double> sums(static_cast<std::size_t>(l.channels), 0.0);
    add_channel_products(gradient, run.at(noise_output_), l.positions, l.channels, sums.data());
    for (std::size_t c = 0; c < sums.size(); ++c) {
      energies[c] += run.curvature ? 0.5 * sums[c] * sums[c] : -0.5 * sums[c];
    }
  }

  // The gradient of the inputs: what the primitive left, and that of the inputs' norms.
  void carry_norms(BackwardRun& run, bool noisy, bool counting) const {
    const auto& l = step_.layout_;
    float* to = run.at(input_.place);
    const float* extra = input_.add ? run.at(data_output_) : nullptr;
    const CompiledNoise* noise = noisy ? &run.forward.noise[l.product] : nullptr;
    if (noise == nullptr || (!counting && !has_slope(*noise))) {
      if (extra != nullptr) add_strided(extra, {1}, to, {1}, {l.input_count});
      return;
    }
    const float* by_norm = run.at(norm_gradient_);
    if (l.groups != 1 && l.groups != l.channels) {
      float* sums = run.at(group_gradient_);
      const std::int64_t per_group = l.channels / l.groups;
      for (std::int64_t i = 0; i < l.positions * l.groups; ++i) {
        float sum = 0;
        for (std::int64_t k = 0; k < per_group; ++k) sum += by_norm[i * per_group + k];
        sums[i] = sum;
      }
      by_norm = sums;
    }
    const float* x = counting ? nullptr : run.forward.read(l.input);
    const float scale = counting ? 1.0f : 2.0f;
    if (!l.windowed) {
      add_norm_gradient(x, scale, by_norm, extra, l.positions, l.groups, l.depth, to);
      return;
    }
    const WindowGeometry& g = l.window;
    const std::int64_t in_positions = g.input[0] * g.input[1];
    for (std::int64_t n = 0; n < l.batch; ++n) {
      window_spread(by_norm + n * g.positions() * l.groups, g, l.groups, run.at(scratch_),
                    run.at(map_));
      const std::int64_t at = n * in_positions * g.channels;
      add_norm_gradient(x == nullptr ? nullptr : x + at, scale, run.at(map_),
                        extra == nullptr ? nullptr : extra + at, in_positions, l.groups, l.depth,
                        to + at);
    }
  }

  static bool has_slope(const CompiledNoise& noise) {
    return std::any_of(noise.slope.begin(), noise.slope.end(),
                       [](float slope) { return slope != 0; });
  }

  BackwardCall* rows_call(BackwardBuilder& builder) {
    const auto& l = step_.layout_;
    const auto f32 = memory::data_type::f32;
    using tag = memory::format_tag;
    const memory::desc dy({l.positions, l.channels}, f32, tag::ab);
    const memory::desc dx({l.positions, l.depth}, f32, tag::ab);
    const memory::desc any({l.channels, l.depth}, f32, tag::any);
    const dnnl::matmul::primitive_desc pd(dnnl::matmul::desc(dy, any, dx), builder.attributes(),
                                          builder.state().engine);
    auto* call = builder.add_call(
        dnnl::matmul(pd),
        {{DNNL_ARG_SRC, dy, true, gradient_.place}, {DNNL_ARG_DST, dx, true, data_output_.place}},
        pd.scratchpad_desc());
    call->shared.emplace_back(DNNL_ARG_WEIGHTS,
                              builder.weights(l.product, pd.weights_desc(), true));
    return call;
  }

  BackwardCall* windows_call(BackwardBuilder& builder) {
    const auto& l = step_.layout_;
    const WindowGeometry& g = l.window;
    const auto f32 = memory::data_type::f32;
    using tag = memory::format_tag;
    const memory::desc src({l.batch, g.channels, g.input[0], g.input[1]}, f32, tag::nhwc);
    const memory::desc dst({l.batch, l.channels, g.output[0], g.output[1]}, f32, tag::nhwc);
    const memory::desc any(builder.state().weights[l.product].plain.dims(), f32, tag::any);
    const memory::dims strides{g.stride[0], g.stride[1]};
    const memory::dims dilates{g.dilation[0] - 1, g.dilation[1] - 1};
    const auto end = [&](std::size_t axis) {
      return (g.output[axis] - 1) * g.stride[axis] + (g.kernel[axis] - 1) * g.dilation[axis] + 1 -
             g.input[axis] - g.pad_begin[axis];
    };
    const memory::dims pad_begin{g.pad_begin[0], g.pad_begin[1]};
    const memory::dims pad_end{end(0), end(1)};
    const auto algorithm = dnnl::algorithm::convolution_direct;
    auto& engine = builder.state().engine;
    const dnnl::convolution_forward::primitive_desc hint(
        dnnl::convolution_forward::desc(dnnl::prop_kind::forward_training, algorithm, src, any, dst,
                                        strides, dilates, pad_begin, pad_end),
        builder.attributes(), engine);
    const dnnl::convolution_backward_data::primitive_desc pd(
        dnnl::convolution_backward_data::desc(algorithm, src, any, dst, strides, dilates, pad_begin,
                                              pad_end),
        builder.attributes(), engine, hint);
    auto* call = builder.add_call(dnnl::convolution_backward_data(pd),
                                  {{DNNL_ARG_DIFF_DST, dst, true, gradient_.place},
                                   {DNNL_ARG_DIFF_SRC, src, true, data_output_.place}},
                                  pd.scratchpad_desc());
    call->shared.emplace_back(DNNL_ARG_WEIGHTS,
                              builder.weights(l.product, pd.weights_desc(), false));
    return call;
  }

  const ProductStep& step_;
  bool digital_ = false;
  bool input_active_ = false;
  GradientPlace gradient_;
  std::optional<BackwardBuilder::Target> residual_;
  BackwardBuilder::Target input_;
  GradientPlace tiles_room_;   // of carry_by_tiles
  GradientPlace data_output_;  // of the primitive: the input's gradient, or scratch that is added
  GradientPlace sums_, norm_gradient_, group_gradient_, scratch_, map_, noise_output_;
  const BackwardCall* data_call_ = nullptr;
  const BackwardCall* noise_call_ = nullptr;
  std::vector<GradientPlace> places_;
};

void ProductStep::mark_active(BackwardBuilder& builder) const {
  if (!builder.is_digital(layout_.product) || builder.is_active(layout_.input) ||
      builder.is_active(epilogue_.summand)) {
    builder.set_active(layout_.output);
  }
}
void ProductStep::differentiate(BackwardBuilder& builder) const {
  if (!builder.is_active(layout_.output) || !builder.has_gradient(layout_.output)) return;
  auto step = std::make_unique<ProductBackward>(*this, builder);
  const auto places = step->places();
  builder.add_step(std::move(step), places);
}

class DynamicProductBackward : public BackwardStep {
 public:
  DynamicProductBackward(const DynamicProductStep& step, BackwardBuilder& builder)
      : step_(step), digital_(builder.is_digital(step.layout_.product)) {
    const auto& l = step.layout_;
    const auto f32 = memory::data_type::f32;
    using tag = memory::format_tag;
    gradient_ = builder.gradient(l.output);
    const auto scratch = [&](std::int64_t elements) {
      const GradientPlace place = builder.scratch(elements);
      places_.push_back(place);
      return place;
    };
    places_.push_back(gradient_);
    sums_ = scratch(3 * l.columns);
    row_gradient_ = scratch(l.batch * l.rows);
    column_gradient_ = scratch(l.batch * l.columns);
    const memory::desc dy({l.batch, l.rows, l.columns}, f32, tag::abc);
    const memory::desc x({l.batch, l.rows, l.depth}, f32, tag::abc);
    const memory::desc dw({l.batch, l.depth, l.columns}, f32, tag::abc);
    auto& engine = builder.state().engine;
    if (builder.is_active(l.x.place)) {
      x_ = builder.sum(l.x.place);
      x_output_ = scratch(l.batch * l.rows * l.depth);
      const memory::desc swapped({l.batch, l.columns, l.depth}, f32,
                                 memory::dims{l.w.strides[0], l.w.strides[2], l.w.strides[1]});
      const dnnl::matmul::primitive_desc pd(dnnl::matmul::desc(dy, swapped, x),
                                            builder.attributes(), engine);
      x_call_ = builder.add_call(dnnl::matmul(pd),
                                 {{DNNL_ARG_SRC, dy, true, gradient_.place},
                                  {DNNL_ARG_WEIGHTS, swapped, false, l.w.place},
                                  {DNNL_ARG_DST, x, true, x_output_.place}},
                                 pd.scratchpad_desc());
      places_.push_back(*x_);
      for (const auto& place : builder.gradients_of(*x_call_)) places_.push_back(place);
    }
    if (builder.is_active(l.w.place)) {
      w_ = builder.sum(l.w.place);
      w_output_ = scratch(l.batch * l.depth * l.columns);
      const memory::desc swapped({l.batch, l.depth, l.rows}, f32,
                                 memory::dims{l.rows * l.depth, 1, l.depth});
      const dnnl::matmul::primitive_desc pd(dnnl::matmul::desc(swapped, dy, dw),
                                            builder.attributes(), engine);
      w_call_ = builder.add_call(dnnl::matmul(pd),
                                 {{DNNL_ARG_SRC, swapped, false, l.x.place},
                                  {DNNL_ARG_WEIGHTS, dy, true, gradient_.place},
                                  {DNNL_ARG_DST, dw, true, w_output_.place}},
                                 pd.scratchpad_desc());
      places_.push_back(*w_);
      for (const auto& place : builder.gradients_of(*w_call_)) places_.push_back(place);
    }
  }

  const std::vector<GradientPlace>& places() const { return places_; }

  void run(BackwardRun& run) const override {
    const auto& l = step_.layout_;
    const CompiledNoise* noise =
        run.forward.noise.empty() || digital_ ? nullptr : &run.forward.noise[l.product];
    const bool has_noise = noise != nullptr && noise->kind == NoiseKind::gaussian;
    const bool noisy = has_noise && run.forward.settings.noisy;
    float* by_row = run.at(row_gradient_);
    float* by_column = run.at(column_gradient_);
    if (has_noise) carry_noise(run, *noise, noisy, by_row, by_column);
    if (x_) {
      x_call_->run(run);
      const std::int64_t rows = l.batch * l.rows;
      const float* value = run.forward.read(l.x.place);
      float* to = run.at(*x_);
      if (noisy) {
        add_norm_gradient(value, 2, by_row, run.at(x_output_), rows, 1, l.depth, to);
      } else {
        add_strided(run.at(x_output_), {1}, to, {1}, {rows * l.depth});
      }
    }
    if (w_) {
      w_call_->run(run);
      const Shape dense{l.depth * l.columns, l.columns, 1};
      float* to = run.at(*w_);
      add_strided(run.at(w_output_), dense, to, l.w.strides, l.w.shape);
      if (noisy) {
        add_strided_product(2, run.forward.read(l.w.place), l.w.strides, by_column,
                            {l.columns, 0, 1}, to, l.w.strides, l.w.shape);
      }
    }
  }

 private:
  void carry_noise(BackwardRun& run, const CompiledNoise& noise, bool noisy, float* by_row,
                   float* by_column) const {
    const auto& l = step_.layout_;
    const auto& own = noise.coefficients;
    const auto& slope = run.slopes[l.product].dynamic;
    double& energy = run.energies[run.first_energy[l.product]];
    float* row_norms = run.forward.at(l.row_norms);
    float* column_norms = run.forward.at(l.column_norms);
    float* offset = run.forward.at(l.offset);
    float* slopes = run.forward.at(l.slope);
    float* signal = run.forward.at(l.signal);
    float* sums = run.at(sums_);
    const float* x = run.forward.read(l.x.place);
    const float* w = run.forward.read(l.w.place);
    const auto columns = static_cast<std::size_t>(l.columns);
    std::vector<double> squares(3 * columns);
    for (std::int64_t b = 0; b < l.batch; ++b) {
      sum_of_squares(x + b * l.rows * l.depth, l.rows, 1, l.depth, row_norms);
      for (std::int64_t n = 0; n < l.columns; ++n) {
        float norm = 0;
        for (std::int64_t k = 0; k < l.depth; ++k) {
          const float value = w[b * l.w.strides[0] + k * l.w.strides[1] + n * l.w.strides[2]];
          norm += value * value;
        }
        column_norms[n] = norm;
        offset[n] = static_cast<float>(own.constant + own.weight_norm * norm);
        slopes[n] = static_cast<float>(own.input_norm + own.norm_product * norm);
        signal[n] = static_cast<float>(own.signal);
      }
      const std::int64_t first = b * l.rows * l.columns;
      NoiseGradient pass;
      pass.positions = l.rows;
      pass.channels = l.columns;
      pass.gradient = run.at(gradient_) + first;
      pass.accumulator = run.forward.at(l.raw) + first;
      pass.norms = row_norms;
      pass.variance_offset = offset;
      pass.variance_slope = slopes;
      pass.signal = signal;
      pass.has_offset = noise.has_offset;
      pass.norm_gradient = by_row + b * l.rows;
      pass.offset_gradient = sums;
      pass.slope_gradient = sums + l.columns;
      pass.signal_gradient = sums + 2 * l.columns;
      pass.stream = {run.forward.settings.seed, photonics::NoiseDomain::detection,
                     static_cast<std::uint32_t>(l.product), run.forward.sample, 0};
      pass.first_element = static_cast<std::uint64_t>(first);
      pass.noisy = noisy;
      // d sigma^2 / d ln E of an output = offset' + slope' p + signal' y^2 with these.
      const auto by_energy = [&](std::size_t n, double at_offset, double at_slope,
                                 double at_signal) {
        const double norm = column_norms[n];
        return (slope.constant + slope.weight_norm * norm) * at_offset +
               (slope.input_norm + slope.norm_product * norm) * at_slope + slope.signal * at_signal;
      };
      if (run.curvature) {
        std::fill(squares.begin(), squares.end(), 0.0);
        add_squared_gradients(pass.gradient, pass.accumulator, row_norms, false, l.rows, l.columns,
                              squares.data(), squares.data() + columns,
                              squares.data() + 2 * columns);
        for (std::size_t n = 0; n < columns; ++n) {
          energy -= by_energy(n, squares[n], squares[columns + n], squares[2 * columns + n]);
        }
      }
      if (!noisy) continue;
      std::fill_n(sums, 3 * l.columns, 0.0f);
      carry_noise_gradient(pass);
      for (std::size_t n = 0; n < columns; ++n) {
        const double at_offset = sums[n];
        const double at_slope = sums[columns + n];
        if (!run.curvature) energy += by_energy(n, at_offset, at_slope, sums[2 * columns + n]);
        by_column[static_cast<std::size_t>(b) * columns + n] =
            static_cast<float>(own.weight_norm * at_offset + own.norm_product * at_slope);
      }
    }
  }

  const DynamicProductStep& step_;
  bool digital_;
  GradientPlace gradient_, sums_, row_gradient_, column_gradient_, x_output_, w_output_;
  std::optional<GradientPlace> x_, w_;
  const BackwardCall* x_call_ = nullptr;
  const BackwardCall* w_call_ = nullptr;
  std::vector<GradientPlace> places_;
};

void DynamicProductStep::mark_active(BackwardBuilder& builder) const {
  if (!builder.is_digital(layout_.product) || builder.is_active(layout_.x.place) ||
      builder.is_active(layout_.w.place)) {
    builder.set_active(layout_.output);
  }
}
void DynamicProductStep::differentiate(BackwardBuilder& builder) const {
  if (!builder.is_active(layout_.output) || !builder.has_gradient(layout_.output)) return;
  auto step = std::make_unique<DynamicProductBackward>(*this, builder);
  const auto places = step->places();
  builder.add_step(std::move(step), places);
}

}  // namespace attojoule::network
