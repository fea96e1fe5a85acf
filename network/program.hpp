// A network made ready to run: a list of steps over one preallocated block of memory per thread.
//
// Samples run one at a time, each thread on its own sample, so that a result cannot depend on the
// batch or on the number of threads, and a graph exported for any batch size can run. Activations
// are float, images are stored channels-last (N, H, W, C), and views (transpose, slice, reshape)
// cost nothing where the memory allows it. Products run in oneDNN.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "network/graph.hpp"
#include "network/matrix_product.hpp"
#include "photonics/homodyne_receiver.hpp"
#include "photonics/noise_model.hpp"

namespace attojoule::network {

// How the noise of one product is drawn.
enum class NoiseKind {
  none,                    // digital: the clean product
  gaussian,                // variance of photonics::VarianceCoefficients
  photon_counting,         // Poisson counts on intensity-encoded operands (Wang et al. 2022)
  photoelectron_counting,  // Poisson counts on both diodes of a homodyne receiver
  rounding,                // no noise: outputs are rounded (network/noise_bits.hpp)
};

// Noise of one product: one model for all output channels, or one for each.
struct ProductNoise {
  NoiseKind kind = NoiseKind::none;
  std::vector<photonics::NoiseModel> models;
  std::vector<photonics::HomodyneCounts> counts;  // photoelectron_counting: as many as models
  // Largest |x|, and of a dynamic product |w|, that the modulators can encode; 0 = no such limit.
  // Noisy passes, and those that take statistics, clip what lies beyond and count it
  // (ProductRecord::saturated). Needs a program of ProgramOptions::limits_operands, or quantised
  // activations, whose quantiser clips.
  double input_full_scale = 0;
  double weight_full_scale = 0;
  // rounding: outputs, without bias, become the nearest of rounding_low + i * rounding_step.
  double rounding_low = 0;
  double rounding_step = 0;
};

// What a product saw and did in one sample.
struct ProductRecord {
  // Photons incident on the receivers, and those that become electrons, from the coefficients that
  // set the noise of the same pass.
  double photons = 0;
  double photons_detected = 0;
  // The following are filled on request (PassSettings::statistics) only.
  double signal = 0;                       // sum of y^2, without bias
  double variance = 0;                     // sum of sigma^2
  double output_low = 0, output_high = 0;  // of y
  double input_low = 0, input_high = 0;    // of x
  double weight_absolute_maximum = 0;      // dynamic products: of the second operand
  // Computed operands that have a quantiser or a full scale, and those of them beyond its range.
  double operands = 0;
  double saturated = 0;
  double transmission = 0;  // photon counting: mean transmission of the weights over the outputs
};

// Counts of a product's input values in equal bins from `low` to `high`.
struct InputHistogram {
  double low = 0;
  double high = 0;
  std::vector<std::uint64_t> counts;
};

// How an operator that is no product runs (network/operator_notes.hpp).
enum class DigitalWay { fused, view, library, kernel, plain };

struct DigitalOperation {
  std::string name;
  std::string op;
  std::int64_t elements = 0;  // of the output, per sample
  bool fused = false;         // runs inside the step of a product
  DigitalWay way = DigitalWay::fused;
};

// Range of a product's inputs over a calibration set.
struct InputRange {
  double low = 0;
  double high = 0;
  double weight_absolute_maximum = 0;  // dynamic products: of the second operand
};

// Operands of few bits (network/quantisation.hpp), for all products; 0 bits = float.
struct QuantisationOptions {
  int weight_bits = 0;             // 2 to 16; per output channel, over the channel's own range
  int activation_bits = 0;         // 2 to 16; per tensor, over `ranges`
  std::vector<InputRange> ranges;  // one per product, where activations are quantised
  // Multiply codes of up to 8 bits as integers where the processor does that exactly (VNNI).
  // Without, the representable values are multiplied in float: the same to float rounding.
  bool integer_arithmetic = true;
};

struct ProgramOptions {
  // 3x3 convolutions of stride 1 on float operands by Winograd's algorithm F(4x4, 3x3) where it can
  // take them and gains (fits_winograd in network/winograd.hpp): a quarter of the multiplications,
  // weights four times as large, rounding errors about ten times larger.
  bool winograd = false;
  // Clip computed operands to the full scales of ProductNoise, for which they are copied.
  bool limits_operands = false;
  bool keep_weights = false;  // needed by Program::perturb_weights; rules integer products out
  // Keep every activation of a pass in the lane, as network/energy_gradient.hpp needs; rules
  // integer products out. Clean and noisy outputs stay the same to rounding.
  bool gradients = false;
  QuantisationOptions quantisation;
};

class Program {
 public:
  // The graph must be bound and simplified. Throws DataError for what cannot run.
  Program(Graph graph, const ProgramOptions& options);
  ~Program();
  Program(Program&&) noexcept;
  Program& operator=(Program&&) noexcept;

  const std::vector<MatrixProduct>& products() const;
  const std::vector<DigitalOperation>& digital_operations() const;
  std::vector<Shape> input_shapes() const;
  std::int64_t output_size() const;  // of the first graph output, per sample
  std::size_t arena_bytes() const;   // working memory of one lane
  std::size_t weight_bytes() const;
  int integer_products() const;   // how many run in integer arithmetic
  int winograd_products() const;  // how many run by Winograd's algorithm

  // Noise of every product, in the order of products(). Empty = clean.
  void set_noise(std::vector<ProductNoise> noise);
  // Garg's weight law: adds weight_noise * N(0, 1) to every weight of the products whose models ask
  // for it, one draw per (seed, product, weight); with sigma = 0 the weights are restored.
  void perturb_weights(std::uint64_t seed);

  struct PassSettings {
    bool noisy = false;
    bool statistics = false;
    std::uint64_t seed = 0;
    std::vector<InputHistogram>* histograms = nullptr;  // with statistics: one per product
  };
  // One thread's memory.
  class Lane {
   public:
    ~Lane();
    Lane(Lane&&) noexcept;
    // Where the sample's inputs go (row-major as in the graph), one span per graph input.
    std::span<float> input(std::size_t index);

    struct State;  // network/steps.hpp

   private:
    friend class Program;
    friend struct ProgramAccess;
    explicit Lane(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
  };
  Lane make_lane() const;
  // Runs the sample whose inputs are in the lane. `records`: one per product, or empty. Thread-safe
  // for different lanes. Throws DataError where the law does not allow an input (negative light).
  std::span<const float> run(Lane& lane, std::uint32_t sample, const PassSettings& settings,
                             std::span<ProductRecord> records) const;

 public:
  struct State;  // network/steps.hpp

 private:
  friend struct ProgramAccess;
  std::unique_ptr<State> state_;
};

}  // namespace attojoule::network
