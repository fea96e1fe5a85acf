// Side-by-side speed of whole networks: our clean run against oneDNN's convolutions alone, noise
// against no noise, integers against floats, two threads against one. Everything is measured in
// turn in one process, and only ratios of minima are reported (bigger is better). Times are the
// thread's own CPU time on one thread, and wall time on two.
//
// usage: network_bench MODEL.onnx [ROUNDS [BATCH]]      (tools/dev/bench.sh makes the model and
// calls it)
//        network_bench --isa NAME MODEL.onnx [ROUNDS]   noise against no noise on one thread, as on
//        a
//                                                       processor with avx2 or sse4 and nothing
//                                                       newer
//        network_bench --memory MODEL.onnx              peak memory of loading and one noisy sample
//        over
//                                                       what weights and activations need
// Goals on ResNet-50, batch 8: clean_vs_onednn >= 0.95, noisy_vs_clean >= 0.90,
// int8_noisy_vs_clean >= 2.2, counting_vs_clean >= 0.5, two_thread_efficiency >= 0.95,
// gaussians_vs_std_normal >= 15 (AVX-512), peak_memory_ratio <= 1.3.
#include <sys/resource.h>
#include <time.h>

#include <hwy/highway.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "network/evaluation.hpp"
#include "network/noise_plan.hpp"
#include "network/operators.hpp"
#include "network/parallel.hpp"
#include "network/range_calibration.hpp"
#include "network/single_thread.hpp"
#include "photonics/random.hpp"
#include "tests/bench/fma_peak.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <oneapi/dnnl/dnnl.hpp>
#pragma GCC diagnostic pop

namespace {

using namespace attojoule;
using network::Program;

double wall_clock() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Of the calling thread alone: what other programs do on the machine does not count.
double thread_clock() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double seconds(double (*clock)(), const std::function<void()>& work) {
  const double start = clock();
  work();
  return clock() - start;
}

network::Program load_program(const char* path) {
  std::ifstream stream(path, std::ios::binary);
  network::Graph graph = network::import_onnx(stream, path);
  network::Shape shape = graph.value(graph.inputs[0]).shape;
  shape[0] = 1;
  network::bind_inputs(graph, {shape});
  network::simplify(graph);
  return Program(std::move(graph), {});
}

std::vector<std::byte> read(const char* path) {
  std::ifstream stream(path, std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(stream)), {});
  const auto* first = reinterpret_cast<const std::byte*>(bytes.data());
  return {first, first + bytes.size()};
}

// Inputs of unit size that differ from sample to sample.
void load_noise(std::int64_t sample, Program::Lane& lane) {
  photonics::fill_normal(
      {9, photonics::NoiseDomain::test, 0, static_cast<std::uint32_t>(sample), 0}, 0,
      lane.input(0));
}

Program make_program(const std::vector<std::byte>& bytes, const char* path,
                     const network::ProgramOptions& options) {
  network::Graph graph = network::import_onnx(bytes, path);
  network::Shape shape = graph.value(graph.inputs[0]).shape;
  shape[0] = 1;
  network::bind_inputs(graph, {shape});
  network::simplify(graph);
  return Program(std::move(graph), options);
}

void set_noise(Program& program, network::Fidelity fidelity) {
  network::NoiseRequest request;
  request.fidelity = fidelity;
  request.points.assign(program.products().size(), {photonics::OperatingPoint{50, 1}});
  program.set_noise(network::plan_noise({}, program, request));
}

// oneDNN's best for the same convolutions and nothing else: batch 8, blocked layouts of its choice,
// bias and ReLU fused, one thread each on its own copy of the activations.
class BareConvolutions {
 public:
  explicit BareConvolutions(const std::vector<std::byte>& bytes, const char* path, int batch)
      : batch_(batch) {
    network::Graph graph = network::import_onnx(bytes, path);
    network::Shape shape = graph.value(graph.inputs[0]).shape;
    shape[0] = 1;
    network::bind_inputs(graph, {shape});
    network::simplify(graph);
    const network::SingleThread single;
    for (const auto& node : graph.nodes) {
      if (node.op == "Conv") add(graph, node);
    }
  }

  struct Lane {
    dnnl::stream stream;
    std::vector<std::vector<std::pair<int, dnnl::memory>>> arguments;
  };

  Lane make_lane() {
    Lane lane{dnnl::stream(engine_), {}};
    for (const auto& layer : layers_) {
      std::vector<std::pair<int, dnnl::memory>> memories;
      memories.emplace_back(DNNL_ARG_SRC, dnnl::memory(layer.desc.src_desc(), engine_));
      memories.emplace_back(DNNL_ARG_DST, dnnl::memory(layer.desc.dst_desc(), engine_));
      memories.emplace_back(DNNL_ARG_SCRATCHPAD,
                            dnnl::memory(layer.desc.scratchpad_desc(), engine_));
      for (auto& [name, memory] : memories) {
        std::fill_n(static_cast<char*>(memory.get_data_handle()), memory.get_desc().get_size(), 0);
      }
      memories.emplace_back(DNNL_ARG_WEIGHTS, layer.weights);
      memories.emplace_back(DNNL_ARG_BIAS, layer.bias);
      lane.arguments.push_back(std::move(memories));
    }
    return lane;
  }

  void run(Lane& lane) const {
    const network::SingleThread single;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      layers_[i].primitive.execute(lane.stream,
                                   {lane.arguments[i].begin(), lane.arguments[i].end()});
    }
  }

 private:
  struct Layer {
    dnnl::convolution_forward::primitive_desc desc;
    dnnl::convolution_forward primitive;
    dnnl::memory weights, bias;
  };

  void add(const network::Graph& graph, const network::Node& node) {
    const network::OperatorCall call(graph, node);
    const network::Shape& weights = call.shape(1);
    const std::vector<std::int64_t> kernel(weights.begin() + 2, weights.end());
    const auto g = network::window_geometry(call, kernel);
    const std::int64_t groups = call.integer("group", 1);
    using dnnl::memory;
    const auto any = memory::format_tag::any;
    const auto f32 = memory::data_type::f32;
    const memory::dims weight_dims =
        groups == 1 ? memory::dims{weights[0], weights[1], weights[2], weights[3]}
                    : memory::dims{groups, weights[0] / groups, weights[1], weights[2], weights[3]};
    dnnl::post_ops post;
    post.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0, 0);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(post);
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const dnnl::convolution_forward::primitive_desc desc(
        dnnl::convolution_forward::desc(
            dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
            memory::desc({batch_, g.channels, g.input[0], g.input[1]}, f32, any),
            memory::desc(weight_dims, f32, any), memory::desc({weights[0]}, f32, any),
            memory::desc({batch_, weights[0], g.output[0], g.output[1]}, f32, any),
            {g.stride[0], g.stride[1]}, {g.dilation[0] - 1, g.dilation[1] - 1},
            {g.pad_begin[0], g.pad_begin[1]}, {g.pad_end[0], g.pad_end[1]}),
        attributes, engine_);
    Layer layer{desc, dnnl::convolution_forward(desc), memory(desc.weights_desc(), engine_),
                memory(desc.bias_desc(), engine_)};
    for (auto* held : {&layer.weights, &layer.bias}) {
      auto* values = static_cast<float*>(held->get_data_handle());
      std::fill_n(values, held->get_desc().get_size() / sizeof(float), 0.01f);
    }
    layers_.push_back(std::move(layer));
  }

  int batch_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  std::vector<Layer> layers_;
};

// Minimum of the times of every contender, all in turn in every round.
struct Contender {
  std::string name;
  std::function<void(int worker, std::int64_t sample)> run;  // one sample (or one batch for oneDNN)
  std::int64_t units = 0;                                    // runs that make up the batch
  double best = std::numeric_limits<double>::infinity();     // seconds per batch
};

void measure(std::vector<Contender>& contenders, int threads, int rounds) {
  for (int round = 0; round <= rounds; ++round) {
    for (Contender& contender : contenders) {
      // Work on one thread neither waits nor sleeps, so that its CPU time is its time on a machine
      // of its own; two threads may wait for each other.
      const double time = seconds(threads == 1 ? thread_clock : wall_clock, [&] {
        network::parallel_for(contender.units, threads,
                              [&](std::int64_t i, int worker) { contender.run(worker, i); });
      });
      if (round > 0) contender.best = std::min(contender.best, time);  // the first one warms up
    }
  }
}

Contender make_contender(const char* name, const Program& program, bool noise, int threads,
                         int batch) {
  auto lanes = std::make_shared<std::vector<Program::Lane>>();
  for (int i = 0; i < threads; ++i) lanes->push_back(program.make_lane());
  return {name,
          [lanes, &program, noise](int worker, std::int64_t sample) {
            auto& lane = (*lanes)[static_cast<std::size_t>(worker)];
            load_noise(0, lane);
            program.run(lane, static_cast<std::uint32_t>(sample), {noise, false, 1, nullptr}, {});
          },
          batch};
}

double gaussians_vs_std_normal() {
  std::vector<float> values(1 << 16);
  double ours = std::numeric_limits<double>::infinity();
  double theirs = ours;
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  for (int round = 0; round < 20; ++round) {
    ours = std::min(ours, seconds(thread_clock, [&] {
                      photonics::fill_normal({1, photonics::NoiseDomain::test, 0, 0, 0},
                                             static_cast<std::uint64_t>(round) << 16, values);
                    }));
    theirs = std::min(theirs, seconds(thread_clock, [&] {
                        for (float& value : values) value = normal(generator);
                      }));
  }
  return theirs / ours;
}

std::int64_t resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

int report_memory(const char* path) {
  const std::int64_t before = resident_bytes();
  Program program = load_program(path);
  set_noise(program, network::Fidelity::analytic);
  auto lane = program.make_lane();
  load_noise(0, lane);
  program.run(lane, 0, {true, false, 1, nullptr}, {});
  const auto peak = static_cast<double>(resident_bytes() - before);
  const auto needed = static_cast<double>(program.weight_bytes() + program.arena_bytes());
  std::printf("%s\n", nlohmann::json{{"peak_memory_ratio", peak / needed}}.dump().c_str());
  return 0;
}

// As on a processor without newer instructions: oneDNN's kernels and ours.
int report_isa(const std::string& name, const char* path, int rounds) {
  if (name != "avx2" && name != "sse4") {
    std::fprintf(stderr, "network_bench --isa: avx2 or sse4\n");
    return 2;
  }
  const bool avx2 = name == "avx2";
  std::int64_t newer = HWY_AVX3 | HWY_AVX3_DL;
  if (!avx2) newer |= HWY_AVX2;
  hwy::DisableTargets(newer);
  const auto cap = avx2 ? dnnl::cpu_isa::avx2 : dnnl::cpu_isa::sse41;
  if (dnnl::set_max_cpu_isa(cap) != dnnl::status::success) {
    std::fprintf(stderr, "network_bench --isa: this oneDNN cannot be held back\n");
    return 1;
  }
  Program program = make_program(read(path), path, {});
  set_noise(program, network::Fidelity::analytic);
  std::vector<Contender> contenders{make_contender("clean", program, false, 1, 1),
                                    make_contender("noisy", program, true, 1, 1)};
  measure(contenders, 1, rounds);
  nlohmann::ordered_json result;
  result["isa"][name]["noisy_vs_clean"] = contenders[0].best / contenders[1].best;
  result["isa"][name]["gaussians_vs_std_normal"] = gaussians_vs_std_normal();
  std::printf("%s\n", result.dump().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr,
                 "usage: network_bench [--memory | --isa avx2|sse4] MODEL.onnx [ROUNDS [BATCH]]\n");
    return 2;
  }
  if (std::string(argv[1]) == "--isa" && argc >= 4) {
    return report_isa(argv[2], argv[3], argc > 4 ? std::atoi(argv[4]) : 10);
  }
  if (std::string(argv[1]) == "--memory" && argc == 3) return report_memory(argv[2]);
  const char* path = argv[1];
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 10;
  const int batch = argc > 3 ? std::atoi(argv[3]) : 8;
  const std::vector<std::byte> bytes = read(path);
  Program clean = make_program(bytes, path, {});
  set_noise(clean, network::Fidelity::analytic);

  network::SampleSource source;
  source.size = 4;
  source.load = [](std::int64_t sample, Program::Lane& lane) { load_noise(sample, lane); };
  source.label = [](std::int64_t) { return 0; };
  network::ProgramOptions with_winograd;
  with_winograd.winograd = true;
  Program winograd = make_program(bytes, path, with_winograd);
  set_noise(winograd, network::Fidelity::analytic);
  network::ProgramOptions options;
  options.quantisation.weight_bits = options.quantisation.activation_bits = 8;
  options.quantisation.ranges = network::calibrate_ranges(clean, source, {}, 1);
  Program integer = make_program(bytes, path, options);
  set_noise(integer, network::Fidelity::analytic);
  Program counting = make_program(bytes, path, {});
  set_noise(counting, network::Fidelity::counting);
  BareConvolutions bare(bytes, path, batch);

  nlohmann::ordered_json result;
  result["fma_gflops_per_core"] = attojoule::bench::fma_gflops();
  result["gaussians_vs_std_normal"] = gaussians_vs_std_normal();
  result["integer_products"] = integer.integer_products();
  double one_thread = 0;
  for (const int threads : {1, 2}) {
    const auto contender = [&](const char* name, const Program& program, bool noise) {
      return make_contender(name, program, noise, threads, batch);
    };
    std::vector<Contender> contenders{contender("clean", clean, false),
                                      contender("noisy", clean, true),
                                      contender("int8_noisy", integer, true),
                                      contender("counting", counting, true),
                                      contender("winograd_clean", winograd, false),
                                      contender("winograd_noisy", winograd, true)};
    auto lanes = std::make_shared<std::vector<BareConvolutions::Lane>>();
    for (int i = 0; i < threads; ++i) lanes->push_back(bare.make_lane());
    contenders.push_back({"onednn",
                          [lanes, &bare](int worker, std::int64_t) {
                            bare.run((*lanes)[static_cast<std::size_t>(worker)]);
                          },
                          threads});
    measure(contenders, threads, rounds);
    // oneDNN ran a whole batch on each thread.
    const double onednn = contenders.back().best / threads;
    const double base = contenders[0].best;
    nlohmann::ordered_json ratios;
    ratios["clean_vs_onednn"] = onednn / base;
    ratios["noisy_vs_clean"] = base / contenders[1].best;
    ratios["int8_noisy_vs_clean"] = base / contenders[2].best;
    ratios["counting_vs_clean"] = base / contenders[3].best;
    ratios["winograd_vs_clean"] = base / contenders[4].best;
    ratios["noisy_winograd_vs_clean"] = base / contenders[5].best;
    ratios["noisy_seconds_per_batch"] = contenders[1].best;
    ratios["int8_noisy_seconds_per_batch"] = contenders[2].best;
    ratios["noisy_winograd_seconds_per_batch"] = contenders[5].best;
    result["resnet50_b" + std::to_string(batch)]["t" + std::to_string(threads)] = ratios;
    if (threads == 1) {
      one_thread = contenders[1].best;
    } else {
      result["two_thread_efficiency"] = one_thread / (2 * contenders[1].best);
    }
  }
  std::printf("%s\n", result.dump(2).c_str());
  return 0;
}
