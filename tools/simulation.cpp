#include "tools/simulation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "data/operating_point_file.hpp"
#include "network/graph.hpp"
#include "photonics/error.hpp"
#include "tools/network_file.hpp"
#include "tools/operating_points.hpp"

namespace attojoule::tools {
namespace {

// The first input takes `inputs`; any other takes the data set of its name, or the next free one.
std::vector<int> match_inputs(const network::Graph& graph, const data::Dataset& dataset) {
  const auto& named = dataset.named_inputs();
  std::vector<int> sources{-1};
  std::vector<bool> taken(named.size(), false);
  for (std::size_t i = 1; i < graph.inputs.size(); ++i) {
    const std::string& wanted = graph.value(graph.inputs[i]).name;
    int found = -1;
    for (std::size_t k = 0; k < named.size(); ++k) {
      if (named[k].name == wanted && !taken[k]) found = static_cast<int>(k);
    }
    for (std::size_t k = 0; found < 0 && k < named.size(); ++k) {
      if (!taken[k]) found = static_cast<int>(k);
    }
    if (found < 0) {
      throw DataError(
          fmt::format("{}: no data for input '{}' of {} (the network has {} inputs). Add "
                      "a data set of that name to the file.",
                      dataset.file().string(), wanted, graph.name, graph.inputs.size()));
    }
    taken[static_cast<std::size_t>(found)] = true;
    sources.push_back(found);
  }
  return sources;
}

bool fits(const network::Shape& declared, const network::Shape& shape) {
  if (declared.empty()) return true;  // not declared
  return std::equal(declared.begin(), declared.end(), shape.begin(), shape.end(),
                    [](auto wanted, auto given) { return wanted < 0 || wanted == given; });
}

// The shape of one sample as the graph wants it: a batch axis of 1, and the data's own axes. A data
// set may leave out or add axes of extent 1 (28 x 28 for 1 x 28 x 28), and write an image of one
// channel as a vector or a vector as such an image: there is one order of its rows only.
network::Shape bound_shape(const network::Value& input, const std::vector<std::int64_t>& sample) {
  network::Shape shape{1};
  shape.insert(shape.end(), sample.begin(), sample.end());
  network::Shape declared = input.shape;
  if (declared.empty() || fits(declared, shape)) return shape;
  if (declared[0] < 0) declared[0] = 1;
  const bool open =
      std::any_of(declared.begin(), declared.end(), [](auto extent) { return extent < 0; });
  if (open || declared[0] != 1) return shape;
  network::Shape wanted = declared, given = shape;
  std::erase(wanted, 1);
  std::erase(given, 1);
  const bool rows = std::min(wanted.size(), given.size()) <= 1 &&
                    std::max(wanted.size(), given.size()) <= 2 &&
                    network::element_count(wanted) == network::element_count(given);
  return wanted == given || rows ? declared : shape;
}

// What to do about samples that an input does not take.
std::string remedy_for(const network::Shape& declared, const network::Shape& shape) {
  if (shape.size() == 4 && fits(declared, {1, shape[3], shape[1], shape[2]})) {
    return "Their channels come last: store them as (N, C, H, W), inputs.transpose(0, 3, 1, 2)";
  }
  if (shape.size() == 4 && fits(declared, {1, shape[2], shape[3], shape[1]})) {
    return "The network takes its channels last: store them as (N, H, W, C), "
           "inputs.transpose(0, 2, 3, 1)";
  }
  const bool open = std::any_of(declared.begin() + 1, declared.end(), [](auto e) { return e < 0; });
  if (!open && declared.size() > 1 &&
      network::element_count({declared.begin() + 1, declared.end()}) ==
          network::element_count(shape)) {
    return "Store them in that shape: the order of their values cannot be told";
  }
  return "Use the data set that the network was trained for";
}

void require_fit(const network::Graph& graph, const network::Value& input,
                 const network::Shape& shape, const data::Dataset& dataset) {
  if (input.shape.empty() || fits(input.shape, shape)) return;
  std::vector<std::string> wanted;
  for (const auto extent : input.shape) {
    wanted.push_back(extent < 0 ? "?" : fmt::format("{}", extent));
  }
  throw DataError(fmt::format("{}: input '{}' takes shape {}, the data has {} ({}). {}.",
                              graph.name, input.name, fmt::join(wanted, "x"),
                              network::to_string(shape), dataset.file().string(),
                              remedy_for(input.shape, shape)));
}

// Accuracy is that of one answer a sample: scores of classes, in one axis.
void require_one_answer(const network::Graph& graph, const std::filesystem::path& model) {
  const network::Value& output = graph.value(graph.outputs[0]);
  const auto axes = std::count_if(output.shape.begin(), output.shape.end(),
                                  [](std::int64_t extent) { return extent > 1; });
  if (axes <= 1) return;
  throw DataError(fmt::format(
      "{}: output '{}' of shape {} holds scores of several positions (accuracy is that of "
      "one answer a sample, the class with the largest score). Export the scores of one "
      "position as the first output, such as a language model's last one; 'attojoule map' "
      "takes the network as it is.",
      model.string(), output.name, network::to_string(output.shape)));
}

}  // namespace

network::SampleSource source_of(const data::Dataset& dataset, const std::vector<int>& sources) {
  network::SampleSource source;
  source.size = dataset.size();
  source.load = [&dataset, sources](std::int64_t index, network::Program::Lane& lane) {
    for (std::size_t i = 0; i < sources.size(); ++i) {
      if (sources[i] < 0) {
        dataset.read_input(index, lane.input(i));
      } else {
        dataset.read_named_input(static_cast<std::size_t>(sources[i]), index, lane.input(i));
      }
    }
  };
  source.label = [&dataset](std::int64_t index) { return dataset.label(index); };
  return source;
}

void require_labels(const data::Dataset& dataset, std::int64_t samples, std::int64_t outputs) {
  for (std::int64_t i = 0; i < samples; ++i) {
    if (dataset.label(i) >= 0 && dataset.label(i) < outputs) continue;
    if (outputs == 1) {
      throw DataError(fmt::format(
          "{}: label {} of sample {} for a network of one output (an answer is the output with the "
          "largest score: one for each class is needed). Export the scores of all classes, or end "
          "a "
          "network of two classes with a Sigmoid.",
          dataset.file().string(), dataset.label(i), i));
    }
    throw DataError(
        fmt::format("{}: label {} of sample {} for a network of {} outputs. Correct the "
                    "data set, or shift its labels with data.label_offset.",
                    dataset.file().string(), dataset.label(i), i, outputs));
  }
}

void restore_weights(network::Program& program, const std::vector<network::ProductNoise>& noise) {
  program.set_noise({});
  program.perturb_weights(0);
  program.set_noise(noise);
}

double mean_photons_per_mac(const network::Program& program,
                            const std::vector<network::ProductOperatingPoint>& points,
                            const std::vector<bool>& digital) {
  double photons = 0;
  double macs = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!digital.empty() && digital[i]) continue;
    const auto own = static_cast<double>(program.products()[i].macs());
    double sum = 0;
    for (const auto& point : points[i]) sum += point.photons_per_mac * point.repetitions;
    photons += own * sum / static_cast<double>(points[i].size());
    macs += own;
  }
  return macs > 0 ? photons / macs : 0.0;
}

LoadedNetwork load_network(const std::filesystem::path& model, const data::Dataset& dataset,
                           const network::ProgramOptions& options) {
  NetworkFile file = read_network(model);
  network::Graph& graph = file.graph;
  network::open_batch(graph);
  std::vector<int> sources = match_inputs(graph, dataset);
  std::vector<network::Shape> shapes;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const auto& sample = sources[i] < 0
                             ? dataset.sample_shape()
                             : dataset.named_inputs()[static_cast<std::size_t>(sources[i])].shape;
    const network::Value& input = graph.value(graph.inputs[i]);
    shapes.push_back(bound_shape(input, sample));
    require_fit(graph, input, shapes.back(), dataset);
  }
  network::bind_inputs(graph, shapes);
  network::score_both_classes(graph);
  network::simplify(graph);
  require_one_answer(graph, model);
  return {network::Program(std::move(graph), options), std::move(sources), std::move(file.sha256)};
}

Simulation::Simulation(Experiment experiment, int threads)
    : experiment_(std::move(experiment)),
      dataset_(data::Dataset::open(experiment_.data)),
      threads_(threads) {
  network::ProgramOptions options;
  options.keep_weights = noise_shared_by_pass();
  options.winograd = experiment_.winograd;
  options.limits_operands = experiment_.law == photonics::Law::homodyne &&
                            experiment_.encoding == photonics::Encoding::full_scale;
  options.quantisation.weight_bits = experiment_.weight_bits;
  options.quantisation.activation_bits = experiment_.activation_bits;
  if (experiment_.activation_bits > 0 ||
      network::needs_ranges(experiment_.device, experiment_.law, experiment_.encoding)) {
    // Ranges are those of the float network, whatever runs on them.
    calibrate_ranges();
    options.quantisation.ranges = ranges_;
  }
  program_options_ = options;
  network_ = std::make_unique<LoadedNetwork>(load_network(experiment_.model, dataset_, options));
  model_sha256_ = network_->sha256;
  images_ = experiment_.images > 0 ? experiment_.images : dataset_.size();
  if (images_ > dataset_.size()) {
    throw ConfigError(
        fmt::format("evaluation.images: {} of a data set of {} samples ({}). Ask for 1 "
                    "to {}.",
                    images_, dataset_.size(), dataset_.file().string(), dataset_.size()));
  }
  require_labels(dataset_, images_, program().output_size());
  digital_ = network::find_digital_products(program(), experiment_.digital_layers);
  resolve_points();
  evaluator_ = std::make_unique<network::Evaluator>(
      program(), source_of(dataset_, network_->input_sources), threads_);
}

bool Simulation::noise_shared_by_pass() const {
  return experiment_.law == photonics::Law::garg_weight;
}

void Simulation::calibrate_ranges() {
  if (!experiment_.range_data) {
    throw ConfigError(
        "range_data: missing (quantised activations, the full-scale encoding, Garg's thermal law "
        "and "
        "modulators with an extinction ratio or a DAC scale with the range of every layer's "
        "inputs). "
        "Name a calibration set that is not the test set: range_data: {file: train.h5, images: "
        "400}.");
  }
  const data::Dataset calibration = data::Dataset::open(*experiment_.range_data);
  const LoadedNetwork network = load_network(experiment_.model, calibration, {});
  ranges_ =
      network::calibrate_ranges(network.program, source_of(calibration, network.input_sources),
                                experiment_.range_options, threads_);
}

void Simulation::resolve_points() {
  const auto& products = program().products();
  if (experiment_.point_file.empty()) {
    points_.assign(products.size(), {experiment_.point});
    return;
  }
  PointFileUse use;
  use.model = experiment_.model;
  use.model_sha256 = model_sha256_;
  use.law = to_string(experiment_.law);
  use.encoding = to_string(experiment_.encoding);
  points_ = points_of_products(experiment_.point_file,
                               data::read_operating_points(experiment_.point_file), products,
                               digital_, use);
}

std::vector<network::ProductOperatingPoint> Simulation::points_at(double photons_per_mac) const {
  auto points = points_;
  const double mean = mean_photons_per_mac(network_->program, points, digital_);
  for (auto& product : points) {
    for (auto& point : product) {
      point.photons_per_mac = experiment_.point_file.empty()
                                  ? photons_per_mac
                                  : point.photons_per_mac * (photons_per_mac / mean);
    }
  }
  return points;
}

network::NoiseRequest Simulation::noise_request() const {
  network::NoiseRequest request;
  request.law = experiment_.law;
  request.encoding = experiment_.encoding;
  request.fidelity = experiment_.fidelity;
  request.garg_grouped_dot_length = experiment_.garg_grouped_dot_length;
  request.digital = digital_;
  request.ranges = ranges_;
  return request;
}

const std::vector<network::ProductNoise>& Simulation::set_points(
    const std::vector<network::ProductOperatingPoint>& points) {
  network::NoiseRequest request = noise_request();
  request.points = points;
  noise_ = network::plan_noise(experiment_.device, program(), request);
  program().set_noise(noise_);
  return noise_;
}

std::vector<network::PassResult> Simulation::passes_under(
    const std::vector<network::ProductNoise>& noise, std::int64_t images, int seeds,
    bool keep_logits, const network::Progress& done) {
  noise_ = noise;
  program().set_noise(noise_);
  return noisy_passes(images, seeds, keep_logits, done);
}

std::vector<network::PassResult> Simulation::noisy_passes(std::int64_t images, int seeds,
                                                          bool keep_logits,
                                                          const network::Progress& done) {
  std::vector<network::PassResult> passes;
  for (int i = 0; i < seeds; ++i) {
    network::PassRequest request;
    request.images = images;
    request.seed = experiment_.seed + static_cast<std::uint64_t>(i);
    request.noisy = true;
    request.keep_logits = keep_logits && i == 0;
    request.keep_losses = true;
    program().perturb_weights(request.seed);
    passes.push_back(evaluator_->run(request, [&](std::int64_t in_pass) {
      if (done) done(images * i + in_pass);
    }));
  }
  restore_weights(program(), noise_);
  return passes;
}

}  // namespace attojoule::tools
