// The steps of a program: internal to network/, users see network/program.hpp.
#pragma once

#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <oneapi/dnnl/dnnl.hpp>
#pragma GCC diagnostic pop

#include "network/kernels.hpp"
#include "network/memory_plan.hpp"
#include "network/noise_pass.hpp"
#include "network/operators.hpp"
#include "network/program.hpp"
#include "network/quantisation.hpp"
#include "network/winograd.hpp"

namespace attojoule::network {

using BufferId = int;

// Where an array begins: in a buffer of the arena, or in a constant.
struct Place {
  BufferId buffer = -1;
  const float* constant = nullptr;
  std::int64_t offset = 0;  // elements

  bool exists() const { return buffer >= 0 || constant != nullptr; }
};

// An array as the graph means it (`shape`) and where its elements lie (`strides`, in elements).
struct View {
  Place place;
  Shape shape;
  Shape strides;
};

// The noise of one product in the form that the sweeps read.
struct CompiledNoise {
  NoiseKind kind = NoiseKind::none;
  bool has_offset = false;
  float input_full_scale = 0;  // 0 = none
  float weight_full_scale = 0;
  float rounding_low = 0;
  float rounding_step = 0;
  // Constant weights: one entry per channel.
  std::vector<float> offset;     // A_c
  std::vector<float> slope;      // B_c
  std::vector<float> deviation;  // sqrt(B_c)
  std::vector<float> signal;     // c_y
  // Dynamic products: A and B depend on the second operand.
  photonics::VarianceCoefficients coefficients;
  double quantum_efficiency = 1;
  // Photoelectron counting; the arrays above then hold what the receiver adds to the counts, and
  // these the whole variance, for the reports.
  std::vector<float> light;  // of every channel
  std::vector<float> gain;
  DiodeCounts diodes;                   // but its arrays
  photonics::HomodyneCounts diode_law;  // dynamic products
  std::vector<float> total_offset, total_slope, total_signal;
  // Photon counting: eta n D of every channel.
  std::vector<float> photons;
  float weight_low = 0;
  float weight_span = 0;
  // The bill: photons of a sample that do not depend on its inputs, and photons per |x|^2 of every
  // group of channels. Dynamic products: the coefficients themselves.
  double fixed_photons = 0;
  std::vector<double> photons_per_input_norm;
  photonics::PhotonCoefficients photon_coefficients;
};

// Counts per unit of y of one channel; in the normalised encoding times |x|.
inline double channel_gain(const photonics::HomodyneCounts& law, double weight_norm2) {
  if (law.encoding == photonics::Encoding::full_scale) return law.gain;
  const double norm2 = law.norm_scale * weight_norm2 + law.weight_norm_offset;
  return norm2 > 0 ? law.gain / std::sqrt(norm2) : 0.0;
}

// What a step sees while it runs.
struct StepRun {
  std::byte* arena;
  const std::vector<std::size_t>& offsets;
  std::vector<std::unordered_map<int, dnnl::memory>>& arguments;  // of every PrimitiveCall
  dnnl::stream& stream;
  const std::vector<CompiledNoise>& noise;
  const Program::PassSettings& settings;
  std::uint32_t sample;
  std::span<ProductRecord> records;

  float* at(const Place& place) const {
    auto* base = reinterpret_cast<float*>(arena + offsets[static_cast<std::size_t>(place.buffer)]);
    return base + place.offset;
  }
  const float* read(const Place& place) const {
    return place.constant != nullptr ? place.constant + place.offset : at(place);
  }
};

class BackwardBuilder;  // network/backward.hpp

class Step {
 public:
  virtual ~Step() = default;
  virtual void run(StepRun& run) const = 0;
  // Adds the steps that carry the gradient from this step's outputs to its inputs. Called in the
  // reverse order of the program, in programs of ProgramOptions::gradients only.
  virtual void differentiate(BackwardBuilder& builder) const = 0;
  // Of the values that the step computes: whether they depend on a product that can be noisy.
  virtual void mark_active(BackwardBuilder& builder) const = 0;
};

// A oneDNN primitive and what it works on; every lane holds the memory objects of its own.
struct PrimitiveCall {
  struct Argument {
    int name;  // DNNL_ARG_…
    dnnl::memory::desc desc;
    Place place;
  };
  dnnl::primitive primitive;
  std::vector<Argument> arguments;
  std::vector<std::pair<int, dnnl::memory>> shared;  // weights: the same memory for all lanes
  std::size_t slot = 0;

  void run(StepRun& run) const { primitive.execute(run.stream, run.arguments[slot]); }
};

// What a primitive computes, for its derivative: an activation of each element, or an operator
// whose adjoint is that of its plain definition.
struct PrimitiveMeaning {
  Node node;
  View input, output;
  std::optional<dnnl::algorithm> eltwise;
  float alpha = 0, beta = 0;
  std::vector<View> others;  // constant inputs of the node after the first
};

class PrimitiveStep : public Step {
 public:
  PrimitiveStep(const PrimitiveCall* call, std::shared_ptr<const Graph> graph,
                PrimitiveMeaning meaning)
      : call_(call), graph_(std::move(graph)), meaning_(std::move(meaning)) {}
  void run(StepRun& run) const override { call_->run(run); }
  void differentiate(BackwardBuilder& builder) const override;
  void mark_active(BackwardBuilder& builder) const override;

 private:
  const PrimitiveCall* call_;
  std::shared_ptr<const Graph> graph_;
  PrimitiveMeaning meaning_;
};

class CopyStep : public Step {
 public:
  CopyStep(View from, View to) : from_(std::move(from)), to_(std::move(to)) {}
  void run(StepRun& run) const override;
  void differentiate(BackwardBuilder& builder) const override;
  void mark_active(BackwardBuilder& builder) const override;

 private:
  View from_, to_;
};

class FillStep : public Step {
 public:
  FillStep(Place to, std::int64_t count, float value) : to_(to), count_(count), value_(value) {}
  void run(StepRun& run) const override;
  void differentiate(BackwardBuilder& builder) const override;
  void mark_active(BackwardBuilder& builder) const override;

 private:
  Place to_;
  std::int64_t count_;
  float value_;
};

class BinaryStep : public Step {
 public:
  BinaryStep(BinaryOperation operation, View a, View b, View out)
      : operation_(operation), a_(std::move(a)), b_(std::move(b)), out_(std::move(out)) {}
  void run(StepRun& run) const override;
  void differentiate(BackwardBuilder& builder) const override;
  void mark_active(BackwardBuilder& builder) const override;

 private:
  BinaryOperation operation_;
  View a_, b_, out_;
};

// f(x) = erf(x), the one activation that oneDNN has only inside GELU.
class ErfStep : public Step {
 public:
  ErfStep(Place from, Place to, std::int64_t count) : from_(from), to_(to), count_(count) {}
  void run(StepRun& run) const override;
  void differentiate(BackwardBuilder& builder) const override;
  void mark_active(BackwardBuilder& builder) const override;

 private:
  Place from_, to_;
  std::int64_t count_;
};

// x/2 (1 + erf(x / sqrt 2)); in programs without gradients.
class GeluStep : public Step {
 public:
  GeluStep(Place from, Place to, std::int64_t count) : from_(from), to_(to), count_(count) {}
  void run(StepRun& run) const override;
  void differentiate(BackwardBuilder& builder) const override;
  void mark_active(BackwardBuilder& builder) const override;

 private:
  Place from_, to_;
  std::int64_t count_;
};

// Rows of a table (embedding), chosen by computed indices.
class GatherRowsStep : public Step {
 public:
  GatherRowsStep(Place table, std::int64_t rows, std::int64_t row_size, Place indices,
                 std::int64_t count, Place out, std::string what)
      : table_(table),
        rows_(rows),
        row_size_(row_size),
        indices_(indices),
        count_(count),
        out_(out),
        what_(std::move(what)) {}
  void run(StepRun& run) const override;
  void differentiate(BackwardBuilder& builder) const override;
  void mark_active(BackwardBuilder& builder) const override;

 private:
  Place table_;
  std::int64_t rows_, row_size_;
  Place indices_;
  std::int64_t count_;
  Place out_;
  std::string what_;  // the node, for errors
};

// An operator without a fast kernel, run by its plain definition (network/operators.hpp).
class PlainStep : public Step {
 public:
  PlainStep(std::shared_ptr<const Graph> graph, Node node, std::vector<View> inputs,
            std::vector<View> outputs)
      : graph_(std::move(graph)),
        node_(std::move(node)),
        inputs_(std::move(inputs)),
        outputs_(std::move(outputs)) {}
  void run(StepRun& run) const override;
  void differentiate(BackwardBuilder& builder) const override;
  void mark_active(BackwardBuilder& builder) const override;

 private:
  std::shared_ptr<const Graph> graph_;  // shapes, types and attributes; no weights
  Node node_;
  std::vector<View> inputs_, outputs_;  // dense, row-major; an absent input has no place
};

// Inputs of a product as the nearest values that a quantiser represents.
class FakeQuantiseStep : public Step {
 public:
  FakeQuantiseStep(std::size_t product, const Quantiser& quantiser, Place from, Place to,
                   std::int64_t count)
      : product_(product), quantiser_(quantiser), from_(from), to_(to), count_(count) {}
  void run(StepRun& run) const override;
  void differentiate(BackwardBuilder& builder) const override;
  void mark_active(BackwardBuilder& builder) const override;

 private:
  std::size_t product_;
  Quantiser quantiser_;
  Place from_, to_;
  std::int64_t count_;
};

// Which operand of a product.
enum class Operand { input, weight };

// A computed operand as its modulators encode it: clipped at the full scale of the product's noise
// in passes that are noisy or take statistics, elsewhere as it is.
class LimitStep : public Step {
 public:
  LimitStep(std::size_t product, Operand operand, Place from, Place to, std::int64_t count)
      : product_(product), operand_(operand), from_(from), to_(to), count_(count) {}
  void run(StepRun& run) const override;
  void differentiate(BackwardBuilder& builder) const override;
  void mark_active(BackwardBuilder& builder) const override;

  // The largest magnitude of this pass; infinity where nothing is clipped.
  float reach(const StepRun& run) const;

 private:
  std::size_t product_;
  Operand operand_;
  Place from_, to_;
  std::int64_t count_;
};

// Inputs of a product as 8-bit codes, with the padding of its windows around every image.
class QuantiseStep : public Step {
 public:
  QuantiseStep(std::size_t product, const Quantiser& quantiser, const WindowGeometry& window,
               std::int64_t batch, Place from, Place to)
      : product_(product),
        quantiser_(quantiser),
        window_(window),
        batch_(batch),
        from_(from),
        to_(to) {}
  void run(StepRun& run) const override;
  void differentiate(BackwardBuilder& builder) const override;
  void mark_active(BackwardBuilder& builder) const override;

 private:
  std::size_t product_;
  Quantiser quantiser_;
  WindowGeometry window_;
  std::int64_t batch_;
  Place from_, to_;
};

// What follows a product and is done in the same sweep.
struct Epilogue {
  Place bias;             // of every channel, or none
  bool residual = false;  // the output's place holds a summand beforehand
  Place summand;          // programs of gradients: where it lies instead
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
};

// A product with constant weights: a convolution, or rows times a matrix.
class ProductStep : public Step {
 public:
  struct Layout {
    std::size_t product;  // index in the program
    std::int64_t batch = 1;
    std::int64_t positions = 0;  // of the whole batch
    std::int64_t channels = 0;
    std::int64_t groups = 1;
    std::int64_t depth = 0;  // input channels of one group
    bool windowed = false;   // the norms of the inputs are summed over windows
    WindowGeometry window;
    Place input;
    std::int64_t input_count = 0;
    Place raw;  // accumulators of a noisy pass
    Place output;
    Place map;            // sums over channels of every input position
    Place scratch;        // of window_sum
    Place norms;          // of every output position
    Place channel_norms;  // grouped: of every output
    std::string what;     // the node, for errors
    // Integer products: 8-bit codes (padded, so that `window` has no padding left) and what turns
    // sums of codes into outputs. `map`, `scratch` and `norms` then hold integers first.
    bool integer = false;
    Place codes;
    Quantiser quantiser;
    Place squares;          // as `norms`: sums of squares
    Place square_map;       // as `map`
    Place channel_squares;  // as `channel_norms`
    // Winograd's algorithm (network/winograd.hpp), or nullptr; backward in programs of gradients.
    const WinogradWeights* forward_tiles = nullptr;
    const WinogradWeights* backward_tiles = nullptr;
    Place tiles_room;  // that it works in
    // The noise sigma z of a pass stays in `raw` for the way back where it does not depend on y.
    bool keeps_noise = false;
    const float* scale = nullptr;
    const std::int32_t* shift = nullptr;
    const std::int32_t* weight_zero = nullptr;
  };
  ProductStep(Layout layout, Epilogue epilogue, const PrimitiveCall* clean,
              const PrimitiveCall* raw)
      : layout_(std::move(layout)), epilogue_(epilogue), clean_(clean), raw_(raw) {}
  void run(StepRun& run) const override;
  void differentiate(BackwardBuilder& builder) const override;
  void mark_active(BackwardBuilder& builder) const override;

 private:
  void run_raw(StepRun& run) const;
  // |x|^2 (or the sum of x) of every output position; the values that apply to single outputs.
  const float* reduce_inputs(StepRun& run, bool squares) const;
  // The same from codes; fills pass.integers, too.
  const float* reduce_codes(StepRun& run, bool squares, NoisePass& pass) const;
  Layout layout_;
  Epilogue epilogue_;
  const PrimitiveCall* clean_;  // nullptr: the raw product and the epilogue's sweep
  const PrimitiveCall* raw_;    // nullptr: only by Winograd's algorithm
  friend class ProductBackward;
};

// A product of two computed operands, a stack of matrices: out[b] = x[b] w[b].
class DynamicProductStep : public Step {
 public:
  struct Layout {
    std::size_t product;
    std::int64_t batch = 1;
    std::int64_t rows = 0, depth = 0, columns = 0;
    View x;     // batch x rows x depth, dense
    View w;     // batch x depth x columns
    Place raw;  // accumulators; the output's place but in programs of gradients
    Place output;
    Place row_norms;
    Place column_norms;
    Place offset, slope, signal, light, gain;  // of every column
  };
  DynamicProductStep(Layout layout, const PrimitiveCall* call)
      : layout_(std::move(layout)), call_(call) {}
  void run(StepRun& run) const override;
  void differentiate(BackwardBuilder& builder) const override;
  void mark_active(BackwardBuilder& builder) const override;

 private:
  Layout layout_;
  const PrimitiveCall* call_;
  friend class DynamicProductBackward;
};

// Draws the weight noise of `seed` (Program::perturb_weights); `apply` = false puts it into
// Weights::noise only and leaves the weights as the file has them.
void draw_weight_noise(Program::State& state, std::uint64_t seed, bool apply);

// Everything that a program consists of.
struct Program::State {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  std::vector<MatrixProduct> products;
  std::vector<DigitalOperation> digital;
  std::vector<std::unique_ptr<Step>> steps;
  std::vector<std::unique_ptr<PrimitiveCall>> calls;
  std::vector<BufferLife> buffers;
  MemoryPlan memory;
  std::vector<View> inputs;
  View output;
  std::vector<std::unique_ptr<std::vector<float>>> constants;
  std::vector<std::unique_ptr<std::vector<std::int32_t>>> integer_constants;
  int integer_products = 0;
  bool clips_operands = false;  // at full scale, or at the end of a quantiser's range
  int winograd_products = 0;
  std::size_t weight_bytes = 0;
  std::vector<CompiledNoise> noise;
  std::vector<ProductNoise> models;
  // Weights of a product with constant operand, for perturb_weights: what the file says, and where
  // oneDNN reads them.
  struct Weights {
    std::vector<float> original;        // only with ProgramOptions::keep_weights
    dnnl::memory::desc plain;           // how `original` is laid out
    std::vector<dnnl::memory> targets;  // what the primitives read
    struct Tiles {
      std::unique_ptr<WinogradWeights> weights;
      bool backward = false;
    };
    std::vector<Tiles> tiles;
    std::int64_t channels = 0;
    std::int64_t channel_stride = 0, depth_stride = 0;  // of `original`
    bool perturbed = false;                             // targets differ from `original`
    // Programs of gradients: weights whose axes are swapped (backward products), and the noise that
    // was added, as the raw primitive reads its weights.
    std::vector<dnnl::memory> swapped_targets;
    dnnl::memory noise;
  };
  std::vector<Weights> weights;
  bool gradients = false;  // ProgramOptions::gradients
};

struct FreeAligned {
  void operator()(std::byte* block) const { ::operator delete[](block, std::align_val_t{64}); }
};
using AlignedBlock = std::unique_ptr<std::byte[], FreeAligned>;
AlignedBlock allocate_aligned(std::size_t bytes);

struct Program::Lane::State {
  AlignedBlock arena;
  dnnl::stream stream;
  std::vector<std::unordered_map<int, dnnl::memory>> arguments;
  std::vector<std::span<float>> inputs;
};

// For the parts of network/ that work on a program from outside its class.
struct ProgramAccess {
  static Program::State& state(Program& program) { return *program.state_; }
  static Program::Lane::State& state(Program::Lane& lane) { return *lane.state_; }
};

// Fills a state from a graph (network/lowering.cpp).
void lower(Graph graph, const ProgramOptions& options, Program::State& state);

}  // namespace attojoule::network
