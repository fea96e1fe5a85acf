// The backward pass of a program: internal to network/, users see network/energy_gradient.hpp.
//
// Every forward step adds the steps that carry gradients from its outputs to its inputs. A buffer's
// gradient has the buffer's own layout, so that views (transposes, slices, reshapes) cost nothing
// here either. Gradients live in a memory plan of their own: from the first contribution to the
// last reader. Values that no noisy product reaches have no gradient.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "network/steps.hpp"

namespace attojoule::network {

// A place in gradient memory; its buffer numbers are not those of the program.
struct GradientPlace {
  Place place;
};

// d/d ln E of the variance coefficients of a product.
struct NoiseSlopes {
  std::vector<float> offset, slope, signal;  // constant weights: of A_c, B_c and C_c
  photonics::VarianceCoefficients dynamic;
};

struct BackwardRun {
  StepRun& forward;  // of the forward pass that the lane just ran
  std::byte* arena;
  const std::vector<std::size_t>& offsets;
  std::vector<std::unordered_map<int, dnnl::memory>>& arguments;
  const std::vector<NoiseSlopes>& slopes;
  bool curvature;    // squares instead of derivatives
  double* energies;  // d loss / d ln E of every channel of every product
  const std::vector<std::size_t>& first_energy;  // of every product

  float* at(const GradientPlace& from) const {
    const auto buffer = static_cast<std::size_t>(from.place.buffer);
    return reinterpret_cast<float*>(arena + offsets[buffer]) + from.place.offset;
  }
};

class BackwardStep {
 public:
  virtual ~BackwardStep() = default;
  virtual void run(BackwardRun& run) const = 0;
};

// A primitive over activations and gradients.
struct BackwardCall {
  struct Argument {
    int name;  // DNNL_ARG_…
    dnnl::memory::desc desc;
    bool gradient;  // `place` lies in gradient memory, else in the program's
    Place place;
  };
  dnnl::primitive primitive;
  std::vector<Argument> arguments;
  std::vector<std::pair<int, dnnl::memory>> shared;
  std::size_t slot = 0;

  void run(BackwardRun& run) const { primitive.execute(run.forward.stream, run.arguments[slot]); }
};

struct BackwardPlan {
  std::vector<std::unique_ptr<BackwardStep>> steps;
  std::vector<std::unique_ptr<BackwardCall>> calls;
  std::vector<BufferLife> buffers;
  MemoryPlan memory;
  GradientPlace output;                   // where the gradient of the network's output is put
  bool probabilities = false;             // the output is a softmax already
  std::vector<std::size_t> first_energy;  // of every product
  std::size_t energies = 0;
};

class BackwardBuilder {
 public:
  // `digital`: one per product; `weight_noise`: the law perturbs weights. Throws DataError naming
  // node and operator where a gradient would have to pass an operator without a derivative.
  BackwardBuilder(Program::State& state, std::vector<bool> digital, bool weight_noise,
                  BackwardPlan& plan);

  Program::State& state() { return state_; }
  bool is_digital(std::size_t product) const { return digital_[product]; }
  bool weight_noise() const { return weight_noise_; }

  bool is_active(const Place& place) const;
  void set_active(const Place& place);

  // Whether anything was contributed to the gradient of the buffer.
  bool has_gradient(const Place& place) const;
  // The gradient of an array that has one.
  GradientPlace gradient(const Place& place);
  // Where a step puts a contribution to the gradient of `count` contiguous elements.
  struct Target {
    GradientPlace place;
    bool add = false;  // to what is there; else it is the first contribution, and overwrites
  };
  Target target(const Place& place, std::int64_t count);
  // The same where every contribution is added: zeroed before the first one.
  GradientPlace sum(const Place& place);
  GradientPlace scratch(std::int64_t elements);

  void add_step(std::unique_ptr<BackwardStep> step, const std::vector<GradientPlace>& places);
  // Scratchpads are added to the arguments.
  BackwardCall* add_call(dnnl::primitive primitive, std::vector<BackwardCall::Argument> arguments,
                         const dnnl::memory::desc& scratchpad);
  std::vector<GradientPlace> gradients_of(const BackwardCall& call) const;
  // The output of the network is computed by this operator.
  void note_operator(const Node& node, const Place& output);

  dnnl::primitive_attr attributes() const;
  // Weights of a product as a backward primitive wants them, kept up to date by perturb_weights.
  dnnl::memory weights(std::size_t product, const dnnl::memory::desc& wanted, bool swapped);
  // The noise of a product's weights, laid out as `like`.
  dnnl::memory weight_noise_of(std::size_t product, const dnnl::memory::desc& like);

 private:
  Place new_buffer(std::size_t bytes);
  void use(const Place& place);

  Program::State& state_;
  std::vector<bool> digital_;
  bool weight_noise_;
  BackwardPlan& plan_;
  std::vector<bool> active_;      // of every buffer of the program
  std::vector<BufferId> buffer_;  // of every buffer of the program: its gradient, or -1
};

}  // namespace attojoule::network
