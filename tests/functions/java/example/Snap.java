package example;

import com.amazonaws.services.lambda.crac.Core;
import com.amazonaws.services.lambda.crac.Resource;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** A function whose snapshot is taken: tells what it has from before, and what it has not. */
public class Snap implements RequestHandler<Map<String, Object>, Map<String, Object>>, Resource {
    private static final String BORN = UUID.randomUUID().toString();
    private static final Path FILE = Paths.get("/tmp", "born");
    private final List<String> hooks = new ArrayList<>();
    private final SecureRandom random = new SecureRandom();

    public Snap() throws IOException {
        random.nextInt();
        Files.write(FILE, BORN.getBytes("UTF-8"));
        Core.getGlobalContext().register(this);
    }

    @Override
    public void beforeCheckpoint(com.amazonaws.services.lambda.crac.Context<?> context) {
        hooks.add("before");
    }

    @Override
    public void afterRestore(com.amazonaws.services.lambda.crac.Context<?> context) {
        hooks.add("after");
    }

    @Override
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        try {
            Thread.sleep(((Number) event.getOrDefault("seconds", 0)).longValue() * 1000);
            Map<String, Object> answer = new LinkedHashMap<>();
            answer.put("born", BORN);
            answer.put("file", new String(Files.readAllBytes(FILE), "UTF-8"));
            answer.put("hooks", hooks);
            answer.put("random", random.nextLong());
            answer.put("type", System.getenv("AWS_LAMBDA_INITIALIZATION_TYPE"));
            return answer;
        } catch (IOException | InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }
}
