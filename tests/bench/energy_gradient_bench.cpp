// Processor time of one gradient step of the precision learner, and of the forward passes in it.
//
// usage: energy_gradient_bench MODEL.onnx [STEPS [BATCH]]
//   prints JSON: step_seconds, forward_seconds, clean_seconds (minima over the steps, one thread,
//   random images); tests/bench/pytorch_energy_gradient.py runs it in turn with the same in
//   PyTorch.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "network/precision_learner.hpp"
#include "photonics/random.hpp"

namespace {

using namespace attojoule;

double processor_seconds(const std::function<void()>& work) {
  timespec start{}, end{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
  work();
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  return static_cast<double>(end.tv_sec - start.tv_sec) +
         1e-9 * static_cast<double>(end.tv_nsec - start.tv_nsec);
}

network::Program load_program(const char* path, bool gradients) {
  std::ifstream stream(path, std::ios::binary);
  network::Graph graph = network::import_onnx(stream, path);
  network::Shape shape = graph.value(graph.inputs[0]).shape;
  shape[0] = 1;
  network::bind_inputs(graph, {shape});
  network::simplify(graph);
  network::ProgramOptions options;
  options.gradients = gradients;
  return {std::move(graph), options};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: energy_gradient_bench MODEL.onnx [STEPS [BATCH]]\n");
    return 2;
  }
  const int steps = argc > 2 ? std::atoi(argv[2]) : 10;
  const int batch = argc > 3 ? std::atoi(argv[3]) : 32;
  network::Program program = load_program(argv[1], true);
  network::Program plain = load_program(argv[1], false);
  network::SampleSource source;
  source.size = batch;
  source.load = [](std::int64_t index, network::Program::Lane& lane) {
    photonics::fill_normal(
        {1, photonics::NoiseDomain::test, 0, static_cast<std::uint32_t>(index), 0}, 0,
        lane.input(0));
  };
  source.label = [](std::int64_t index) { return static_cast<int>(index % 10); };
  network::NoiseRequest law;
  law.law = photonics::Law::garg_shot;
  network::EnergyGradient gradient(program, source, {}, law, 1);
  network::LearnOptions options = network::default_options(network::LearnMethod::gradient, law.law);
  options.target = 50;
  options.batch = batch;
  options.steps = steps;
  std::vector<std::int64_t> samples(static_cast<std::size_t>(batch));
  std::iota(samples.begin(), samples.end(), 0);
  network::PrecisionLearner learner(gradient, options, samples,
                                    network::mean_energy_cost(program, {}));
  auto lane = plain.make_lane();
  double step = std::numeric_limits<double>::infinity();
  double forward = step;
  double clean = step;
  while (!learner.finished()) {
    step = std::min(step, processor_seconds([&] { learner.step(); }));
    forward = std::min(forward, processor_seconds([&] { gradient.loss(samples, 1, true); }));
    clean = std::min(clean, processor_seconds([&] {
                       for (const auto sample : samples) {
                         source.load(sample, lane);
                         plain.run(lane, static_cast<std::uint32_t>(sample), {}, {});
                       }
                     }));
  }
  const nlohmann::json result{
      {"step_seconds", step}, {"forward_seconds", forward}, {"clean_seconds", clean}};
  std::printf("%s\n", result.dump().c_str());
  return 0;
}
