include(GoogleTest)

# Compile settings that every target of the project shares, and the one way to declare a folder's
# library. Warnings are errors; no target is ever built for the building machine's own processor
# (-march=native): kernels choose their instruction set at run time.
add_library(attojoule_settings INTERFACE)
target_compile_features(attojoule_settings INTERFACE cxx_std_20)
target_include_directories(attojoule_settings INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(attojoule_settings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  -Wno-sign-conversion -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
# Contracting a*b+c into one rounding would make a result depend on the compiler: it is only done
# where a kernel asks for it by name.
target_compile_options(attojoule_settings INTERFACE -ffp-contract=off)
if(ATTOJOULE_SANITIZE)
  target_compile_options(attojoule_settings INTERFACE -fsanitize=${ATTOJOULE_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(attojoule_settings INTERFACE -fsanitize=${ATTOJOULE_SANITIZE})
endif()

# attojoule_folder(photonics SOURCES a.cpp b.cpp PUBLIC lib… PRIVATE lib…): the static library of a
# top-level folder.
function(attojoule_folder name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(attojoule_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(attojoule_${name} PUBLIC attojoule_settings ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()

# attojoule_test(NAME random_test SOURCES a.cpp LIBS attojoule_photonics LABELS unit stat): a
# GoogleTest program. Every test case in it is registered with ctest under the given labels
# (unit, physics, stat, property, golden, cli, fuzz, slow); RapidCheck properties get a fixed seed.
function(attojoule_test)
  cmake_parse_arguments(ARG "" "NAME;TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${ARG_NAME} ${ARG_SOURCES})
  target_link_libraries(${ARG_NAME} PRIVATE attojoule_settings ${ARG_LIBS} GTest::gtest GTest::gtest_main)
  gtest_discover_tests(${ARG_NAME} DISCOVERY_TIMEOUT 60 TEST_LIST ${ARG_NAME}_cases
    PROPERTIES TIMEOUT ${ARG_TIMEOUT} ENVIRONMENT "RC_PARAMS=seed=1")
  # gtest_discover_tests cannot pass a list of labels on: only its first entry would arrive.
  set(labels_file ${CMAKE_CURRENT_BINARY_DIR}/${ARG_NAME}_labels.cmake)
  file(WRITE ${labels_file}
    "set_tests_properties(\${${ARG_NAME}_cases} PROPERTIES LABELS \"${ARG_LABELS}\")\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${labels_file})
endfunction()
