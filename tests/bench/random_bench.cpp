// Speed of the random number kernels beside the standard library's, in samples per second.
//
// Goals (one thread, ratio of items_per_second within one run): fill_normal >= 15 times
// std_normal where AVX-512 is chosen and >= 5 times with AVX2; fill_poisson at a mean of 10 or more
// at most twice the time of fill_normal and >= 50 times faster than std_poisson. The *_avx2
// benchmarks hide AVX-512 from the dispatcher.
#include <benchmark/benchmark.h>
#include <hwy/highway.h>

#include <random>
#include <vector>

#include "photonics/random.hpp"

namespace {

using namespace attojoule::photonics;

constexpr std::size_t size = 65536;

void count_samples(benchmark::State& state) {
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(size));
}

class WithoutAvx512 {
 public:
  WithoutAvx512() {
    hwy::SetSupportedTargetsForTest(hwy::SupportedTargets() & ~avx512);
    reset();
  }
  ~WithoutAvx512() {
    hwy::SetSupportedTargetsForTest(0);
    reset();
  }

 private:
  static constexpr std::int64_t avx512 = HWY_AVX3 | HWY_AVX3_DL;
  static void reset() { hwy::GetChosenTarget().Update(hwy::SupportedTargets()); }
};

void normal(benchmark::State& state) {
  std::vector<float> out(size);
  RandomStream stream{.seed = 1};
  for (auto _ : state) {
    ++stream.sample;
    fill_normal(stream, 0, out);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  count_samples(state);
}

void fill_normal_avx2(benchmark::State& state) {
  const WithoutAvx512 guard;
  normal(state);
}

void uniform(benchmark::State& state) {
  std::vector<float> out(size);
  RandomStream stream{.seed = 1};
  for (auto _ : state) {
    ++stream.sample;
    fill_uniform(stream, 0, out);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  count_samples(state);
}

// A new mean for every sample, within 20 % of the argument (in thousandths).
std::vector<float> spread_means(const benchmark::State& state) {
  std::vector<float> means(size);
  fill_uniform({.seed = 2}, 0, means);
  for (float& mean : means) {
    mean = static_cast<float>(state.range(0)) * 1e-3f * (0.8f + 0.4f * mean);
  }
  return means;
}

void poisson(benchmark::State& state) {
  const std::vector<float> means = spread_means(state);
  std::vector<float> out(size);
  RandomStream stream{.seed = 1};
  for (auto _ : state) {
    ++stream.sample;
    fill_poisson(stream, 0, means, out);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  count_samples(state);
}

void fill_poisson_avx2(benchmark::State& state) {
  const WithoutAvx512 guard;
  poisson(state);
}

void std_normal(benchmark::State& state) {
  std::vector<float> out(size);
  std::mt19937 engine(1);
  std::normal_distribution<float> law;
  for (auto _ : state) {
    for (float& x : out) x = law(engine);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  count_samples(state);
}

void std_poisson(benchmark::State& state) {
  const std::vector<float> means = spread_means(state);
  std::vector<float> out(size);
  std::mt19937 engine(1);
  for (auto _ : state) {
    for (std::size_t i = 0; i < size; ++i) {
      std::poisson_distribution<int> law(static_cast<double>(means[i]));
      out[i] = static_cast<float>(law(engine));
    }
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  count_samples(state);
}

BENCHMARK(std_normal);
BENCHMARK(normal)->Name("fill_normal");
BENCHMARK(fill_normal_avx2);
BENCHMARK(uniform)->Name("fill_uniform");
BENCHMARK(std_poisson)->Arg(100)->Arg(1000)->Arg(4000)->Arg(10000)->Arg(100000)->Arg(10000000);
BENCHMARK(poisson)
    ->Name("fill_poisson")
    ->Arg(100)
    ->Arg(1000)
    ->Arg(4000)
    ->Arg(8000)
    ->Arg(12500)
    ->Arg(100000)
    ->Arg(10000000);
BENCHMARK(fill_poisson_avx2)->Arg(1000)->Arg(12500)->Arg(100000);

}  // namespace

BENCHMARK_MAIN();
