package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.HashMap;
import java.util.Map;

/** A function with AWS's own library. */
public class Handler implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    @Override
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        System.out.println("printed by the function");
        if (event.containsKey("fail")) {
            throw new IllegalArgumentException((String) event.get("fail"));
        }
        Number seconds = (Number) event.getOrDefault("sleep", 0);
        try {
            Thread.sleep(Math.round(seconds.doubleValue() * 1000));
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        }
        Map<String, Object> result = new HashMap<>();
        result.put("value", event.get("value"));
        result.put("greeting", System.getenv("GREETING"));
        result.put("request_id", context.getAwsRequestId());
        result.put("runtime", System.getenv("AWS_EXECUTION_ENV"));
        result.put("java", System.getProperty("java.specification.version"));
        return result;
    }
}
