package dev.wasmworker.maven;

import java.io.File;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.maven.artifact.Artifact;
import org.apache.maven.plugin.AbstractMojo;
import org.apache.maven.plugin.MojoExecutionException;
import org.apache.maven.plugin.MojoFailureException;
import org.apache.maven.plugins.annotations.LifecyclePhase;
import org.apache.maven.plugins.annotations.Mojo;
import org.apache.maven.plugins.annotations.Parameter;
import org.apache.maven.plugins.annotations.ResolutionScope;
import org.teavm.diagnostics.DefaultProblemTextConsumer;
import org.teavm.diagnostics.Problem;
import org.teavm.tooling.TeaVMTargetType;
import org.teavm.tooling.TeaVMTool;
import org.teavm.tooling.TeaVMToolException;
import org.teavm.tooling.TeaVMToolLog;
import org.teavm.vm.TeaVMOptimizationLevel;

/** Compiles the project's activities, and those of its dependencies, to a WebAssembly module. */
@Mojo(name = "build", defaultPhase = LifecyclePhase.PACKAGE, requiresDependencyResolution = ResolutionScope.RUNTIME, threadSafe = true)
public final class BuildMojo extends AbstractMojo {
    private static final String INDEX = "META-INF/wasmworker/index.txt";
    private static final int MIB = 1 << 20;

    @Parameter(defaultValue = "${project.build.outputDirectory}", readonly = true)
    private File classes;

    @Parameter(defaultValue = "${project.artifacts}", readonly = true)
    private Set<Artifact> artifacts;

    @Parameter(defaultValue = "${plugin.artifacts}", readonly = true)
    private List<Artifact> pluginArtifacts;

    @Parameter(defaultValue = "${project.build.directory}/wasmworker", readonly = true)
    private File work;

    /** The module's file. */
    @Parameter(property = "wasmworker.output", defaultValue = "${project.build.directory}/${project.artifactId}.wasm")
    private File output;

    /** Keeps the names of classes and methods, so that failures have stack traces. The module grows by about a fifth to a half. */
    @Parameter(property = "wasmworker.debug", defaultValue = "false")
    private boolean debug;

    /** The largest heap in MiB. By default it fits into the 256 MiB that a worker gives an instance by default. */
    @Parameter(property = "wasmworker.maxHeap", defaultValue = "224")
    private int maxHeap;

    @Override
    public void execute() throws MojoExecutionException, MojoFailureException {
        Set<File> classpath = new LinkedHashSet<>();
        classpath.add(classes);
        for (Artifact artifact : artifacts) {
            classpath.add(artifact.getFile());
        }
        Set<String> roots = new TreeSet<>();
        Set<String> activities = new TreeSet<>();
        for (File entry : classpath) {
            readIndex(entry.toPath(), roots, activities);
        }
        if (activities.isEmpty()) {
            throw new MojoFailureException("there are no activities: put @ActivityMethod on a static method, and let the compiler run the "
                    + "annotation processor of wasmworker-sdk");
        }
        for (Artifact artifact : pluginArtifacts) {
            // The Java class library that TeaVM compiles, and what that needs.
            classpath.add(artifact.getFile());
        }
        try (URLClassLoader loader = new URLClassLoader(urls(classpath), getClass().getClassLoader())) {
            compile(new ArrayList<>(classpath), loader, new ArrayList<>(roots));
            byte[] module = new ModuleEditor(Files.readAllBytes(work.toPath().resolve("module.wasm"))).reactor(activities);
            Files.createDirectories(output.toPath().toAbsolutePath().getParent());
            Files.write(output.toPath(), module);
            getLog().info("Built " + output.getName() + ", " + module.length / 1024 + " KiB: " + String.join(", ", activities));
        } catch (IOException e) {
            throw new MojoExecutionException("cannot build the module", e);
        }
    }

    private void compile(List<File> classpath, ClassLoader loader, List<String> roots) throws MojoExecutionException, MojoFailureException {
        TeaVMTool tool = new TeaVMTool();
        tool.setTargetType(TeaVMTargetType.WEBASSEMBLY_WASI);
        tool.setTargetDirectory(work);
        tool.setTargetFileName("module.wasm");
        tool.setClassLoader(loader);
        tool.setClassPath(classpath);
        tool.setMainClass("dev.wasmworker.internal.Program");
        tool.getClassesToPreserve().addAll(roots);
        tool.setObfuscated(!debug);
        // The smallest of the three levels, by far.
        tool.setOptimizationLevel(TeaVMOptimizationLevel.ADVANCED);
        // An instance is as large as its heap and heaps grow, so small is right.
        tool.setMinHeapSize(MIB / 4);
        tool.setMaxHeapSize(maxHeap * MIB);
        tool.setLog(new Log());
        try {
            tool.generate();
        } catch (TeaVMToolException | RuntimeException e) {
            throw new MojoExecutionException("TeaVM failed", e);
        }
        List<Problem> problems = tool.getProblemProvider().getSevereProblems();
        for (Problem problem : problems) {
            DefaultProblemTextConsumer text = new DefaultProblemTextConsumer();
            problem.render(text);
            String location = "";
            if (problem.getLocation() != null && problem.getLocation().getMethod() != null) {
                location = problem.getLocation().getMethod()
                        + (problem.getLocation().getSourceLocation() == null ? "" : " (" + problem.getLocation().getSourceLocation() + ")") + ": ";
            }
            getLog().error(location + text.getText());
        }
        if (!problems.isEmpty()) {
            throw new MojoFailureException("the activities use what TeaVM does not have, see above");
        }
    }

    /** Reads what the annotation processor wrote: a class a line, and the activities that it exports. */
    private static void readIndex(Path entry, Set<String> roots, Set<String> activities) throws MojoExecutionException {
        try {
            if (Files.isDirectory(entry)) {
                readLines(entry.resolve(INDEX), roots, activities);
            } else if (Files.isRegularFile(entry) && entry.toString().endsWith(".jar")) {
                try (FileSystem jar = FileSystems.newFileSystem(entry)) {
                    readLines(jar.getPath(INDEX), roots, activities);
                }
            }
        } catch (IOException e) {
            throw new MojoExecutionException("cannot read " + entry, e);
        }
    }

    private static void readLines(Path index, Set<String> roots, Set<String> activities) throws IOException {
        if (!Files.exists(index)) {
            return;
        }
        for (String line : Files.readAllLines(index, StandardCharsets.UTF_8)) {
            String[] words = line.split(" ");
            roots.add(words[0]);
            for (int i = 1; i < words.length; i++) {
                activities.add(words[i]);
            }
        }
    }

    private static URL[] urls(Set<File> files) throws MalformedURLException {
        List<URL> urls = new ArrayList<>();
        for (File file : files) {
            urls.add(file.toURI().toURL());
        }
        return urls.toArray(new URL[0]);
    }

    /** TeaVM's own progress is for who looks for it. */
    private final class Log implements TeaVMToolLog {
        @Override
        public void info(String text) {
            getLog().debug(text);
        }

        @Override
        public void debug(String text) {
            getLog().debug(text);
        }

        @Override
        public void warning(String text) {
            getLog().warn(text);
        }

        @Override
        public void error(String text) {
            getLog().error(text);
        }

        @Override
        public void info(String text, Throwable e) {
            getLog().debug(text, e);
        }

        @Override
        public void debug(String text, Throwable e) {
            getLog().debug(text, e);
        }

        @Override
        public void warning(String text, Throwable e) {
            getLog().warn(text, e);
        }

        @Override
        public void error(String text, Throwable e) {
            getLog().error(text, e);
        }
    }
}
