package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Small functions, each showing one thing of AWS's Java programming model. */
public class Handlers {
    public static class Person {
        private String name;
        private int age;
        private List<String> tags;

        public String getName() {
            return name;
        }

        public void setName(String name) {
            this.name = name;
        }

        public int getAge() {
            return age;
        }

        public void setAge(int age) {
            this.age = age;
        }

        public List<String> getTags() {
            return tags;
        }

        public void setTags(List<String> tags) {
            this.tags = tags;
        }
    }

    public static class OwnException extends RuntimeException {
        OwnException(String message, Throwable cause) {
            super(message, cause);
        }
    }

    public static class Echo implements RequestHandler<Map<String, Object>, Map<String, Object>> {
        @Override
        public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
            return event;
        }
    }

    public static class Stream implements RequestStreamHandler {
        @Override
        public void handleRequest(InputStream input, OutputStream output, Context context) throws IOException {
            output.write("\"<".getBytes("UTF-8"));
            for (int read = input.read(); read >= 0; read = input.read()) {
                if (read != '"') {
                    output.write(read);
                }
            }
            output.write(">\"".getBytes("UTF-8"));
        }
    }

    public static class Constructor implements RequestHandler<Object, Object> {
        public Constructor() {
            throw new IllegalStateException("in the constructor");
        }

        @Override
        public Object handleRequest(Object event, Context context) {
            return null;
        }
    }

    public static class StaticBlock {
        static final int BROKEN = Integer.parseInt("x");

        public int handle(int event) {
            return BROKEN;
        }
    }

    public static class Private implements RequestHandler<Object, Object> {
        private Private() {}

        @Override
        public Object handleRequest(Object event, Context context) {
            return null;
        }
    }

    public static class Hooks implements RequestHandler<Object, String>, com.amazonaws.services.lambda.crac.Resource {
        private String seen = "created";

        public Hooks() {
            com.amazonaws.services.lambda.crac.Core.getGlobalContext().register(this);
        }

        @Override
        public void beforeCheckpoint(com.amazonaws.services.lambda.crac.Context<?> context) {
            seen += ", before the snapshot";
        }

        @Override
        public void afterRestore(com.amazonaws.services.lambda.crac.Context<?> context) {
            seen += ", restored";
        }

        @Override
        public String handleRequest(Object event, Context context) {
            return seen + ", " + System.getProperty("org.crac.Core.Compat");
        }
    }

    public Person pojo(Person person) {
        person.setAge(person.getAge() + 1);
        return person;
    }

    public static String ofClass(String text) {
        return text + "!";
    }

    public int number(int number) {
        return number * 2;
    }

    public List<Object> list(List<Object> list, Context context) {
        Collections.reverse(list);
        return list;
    }

    public void nothing(Map<String, Object> event) {}

    public void stream(InputStream input, OutputStream output, Context context) throws IOException {
        output.write("raw, no JSON".getBytes("UTF-8"));
    }

    public Map<String, Object> context(Object event, Context context) {
        Map<String, Object> seen = new TreeMap<>();
        seen.put("request", context.getAwsRequestId());
        seen.put("function", context.getFunctionName() + ":" + context.getFunctionVersion());
        seen.put("arn", context.getInvokedFunctionArn());
        seen.put("memory", context.getMemoryLimitInMB());
        seen.put("log", context.getLogGroupName() + " " + context.getLogStreamName());
        seen.put("remaining", context.getRemainingTimeInMillis() > 0 && context.getRemainingTimeInMillis() <= 60000);
        seen.put("trace", String.valueOf(System.getProperty("com.amazonaws.xray.traceHeader")));
        if (context.getIdentity() != null) {
            seen.put("identity", String.valueOf(context.getIdentity().getIdentityId()));
        }
        if (context.getClientContext() != null) {
            seen.put("client", context.getClientContext().getClient().getInstallationId());
            seen.put("custom", context.getClientContext().getCustom());
        }
        return seen;
    }

    public String logs(Object event, Context context) {
        context.getLogger().log("one\ntwo");
        context.getLogger().log("bytes".getBytes());
        LambdaRuntime.getLogger().log("static\n");
        context.getLogger().log("a warning", LogLevel.WARN);
        context.getLogger().log("details", LogLevel.DEBUG);
        System.out.println("printed");
        System.out.print("no line end");
        System.err.println("to standard error");
        return "ü";
    }

    public String checked(Object event) throws Exception {
        throw new Exception("checked");
    }

    public String caused(Object event) {
        try {
            return String.valueOf(Arrays.asList(1).get(7));
        } catch (RuntimeException error) {
            throw new OwnException("with a cause", error);
        }
    }

    public String error(Object event) {
        throw new StackOverflowError("an error, not an exception");
    }

    public String noMessage(Object event) {
        throw new NullPointerException();
    }

    public Object cyclic(Object event) {
        List<Object> list = new java.util.ArrayList<>();
        list.add(new Object());
        return list;
    }

    public String exit(Object event) {
        System.exit(7);
        return null;
    }

    public String thread(String event) throws InterruptedException {
        Thread thread = new Thread(() -> System.out.println("from a thread"));
        thread.start();
        thread.join();
        return event;
    }
}
