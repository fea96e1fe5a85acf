# Compile settings that every target of the project shares, and the one way to declare a folder's
# library. Warnings are errors; no target is ever built for the building machine's own processor
# (-march=native): kernels choose their instruction set at run time.
add_library(attojoule_settings INTERFACE)
target_compile_features(attojoule_settings INTERFACE cxx_std_20)
target_include_directories(attojoule_settings INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(attojoule_settings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  -Wno-sign-conversion -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
# g++ 12 sees overlapping copies in std::string's operator+ where there are none (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(attojoule_settings INTERFACE -Wno-restrict)
endif()
# Contracting a*b+c into one rounding would make a result depend on the compiler: it is only done
# where a kernel asks for it by name.
target_compile_options(attojoule_settings INTERFACE -ffp-contract=off)
if(ATTOJOULE_SANITIZE)
  target_compile_options(attojoule_settings INTERFACE -fsanitize=${ATTOJOULE_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(attojoule_settings INTERFACE -fsanitize=${ATTOJOULE_SANITIZE})
  # With sanitizers g++ 12 takes members of its own std::regex for uninitialised (GCC bug 105562).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(attojoule_settings INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()

# Large headers are read once per target instead of once per file. Only g++ does it, so that clang still
# finds a file that lacks an include; not the fuzzers, whose flags differ.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(precompile_default ON)
else()
  set(precompile_default OFF)
endif()
option(ATTOJOULE_PRECOMPILE_HEADERS "Precompile the large headers of tools and tests" ${precompile_default})

# attojoule_precompile(target header…)
function(attojoule_precompile target)
  if(ATTOJOULE_PRECOMPILE_HEADERS)
    target_precompile_headers(${target} PRIVATE ${ARGN})
    # For compiler caches, which otherwise do not see which precompiled header was read.
    target_compile_options(${target} PRIVATE -fpch-preprocess)
  endif()
endfunction()

# attojoule_light_code(target): code that need not be fast (test code; the command line, which reads
# and writes around the kernels) compiles in two thirds of the time, instrumented in half.
function(attojoule_light_code target)
  if(ATTOJOULE_SANITIZE)
    target_compile_options(${target} PRIVATE -O0)
  else()
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  endif()
  # At -O1 g++ 12 takes npos for a length that std::string compares (GCC bug 105651 again).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -Wno-stringop-overread)
  endif()
endfunction()

# attojoule_folder(photonics SOURCES a.cpp b.cpp PUBLIC lib… PRIVATE lib…): the static library of a
# top-level folder.
function(attojoule_folder name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(attojoule_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(attojoule_${name} PUBLIC attojoule_settings ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()

# attojoule_test(NAME name SOURCES a.cpp… [LIBS lib…] [LABELS unit|physics|stat|property|golden|cli|fuzz|slow…]
#                [TIMEOUT seconds]): a GoogleTest program; ctest knows each of its cases as name.Suite.Case.
# LABELS defaults to unit, whose tests together take under a minute.
include(GoogleTest)
function(attojoule_test)
  if(ATTOJOULE_PRECOMPILE_HEADERS AND NOT TARGET attojoule_test_headers)
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/test_headers.cpp CONTENT "// Holder of the precompiled headers of all tests.\n")
    add_library(attojoule_test_headers STATIC ${CMAKE_BINARY_DIR}/test_headers.cpp)
    target_link_libraries(attojoule_test_headers PRIVATE attojoule_settings fmt::fmt nlohmann_json::nlohmann_json
      GTest::gmock GTest::gtest_main)
    attojoule_light_code(attojoule_test_headers)
    attojoule_precompile(attojoule_test_headers <gmock/gmock.h> <gtest/gtest.h> <fmt/format.h> <nlohmann/json.hpp>
      <algorithm> <cmath> <filesystem> <fstream> <functional> <map> <memory> <numbers> <optional> <set> <span>
      <string> <vector>)
  endif()
  cmake_parse_arguments(ARG "" "NAME;TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  if(NOT ARG_NAME OR NOT ARG_SOURCES OR ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "attojoule_test: NAME and SOURCES are needed, ${ARG_UNPARSED_ARGUMENTS} not understood")
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  set(target ${ARG_NAME})
  add_executable(${target} ${ARG_SOURCES})
  target_link_libraries(${target} PRIVATE attojoule_settings ${ARG_LIBS} fmt::fmt GTest::gmock GTest::gtest_main)
  # Where the sources lie, for those that ask (an absolute path keeps a compiler cache from serving
  # two checkouts).
  foreach(source ${ARG_SOURCES})
    file(STRINGS ${source} asks REGEX "ATTOJOULE_SOURCE_DIR" LIMIT_COUNT 1)
    if(asks)
      set_property(SOURCE ${source} APPEND PROPERTY COMPILE_DEFINITIONS ATTOJOULE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    endif()
  endforeach()
  attojoule_light_code(${target})
  if(ATTOJOULE_PRECOMPILE_HEADERS)
    target_precompile_headers(${target} REUSE_FROM attojoule_test_headers)
    target_compile_options(${target} PRIVATE -fpch-preprocess)
  endif()
  gtest_discover_tests(${target} TEST_PREFIX ${ARG_NAME}. TEST_LIST ${target}_cases DISCOVERY_TIMEOUT 120
    PROPERTIES TIMEOUT ${ARG_TIMEOUT})
  # gtest_discover_tests cannot hand on a property that is a list, such as more than one label: this
  # file is read by ctest after the one that declares the cases.
  set(labels_file ${CMAKE_CURRENT_BINARY_DIR}/${target}_labels.cmake)
  file(WRITE ${labels_file}
    "if(${target}_cases)\n  set_tests_properties(\${${target}_cases} PROPERTIES LABELS \"${ARG_LABELS}\")\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${labels_file})
endfunction()
